"""Squared distances between users and their candidates."""

import tensorflow as tf

from trainer_modules.layers.dot_product import dot_product


def negative_squared_distance(user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
    """Returns -|u - i|^2 for each user and candidate, so that closer scores higher.

    It is computed as 2 <u, i> - |u|^2 - |i|^2, which takes one matrix product for
    candidates that all users share.

    Args:
        user: Vectors of the users, [B, D].
        item: Vectors of the candidates, [B, C, D]; or [1, C, D] if all users have the
            same candidates.

    Returns:
        Negative squared distances, [B, C].
    """
    lengths = tf.reduce_sum(user**2, -1, keepdims=True) + tf.reduce_sum(item**2, -1)
    return 2 * dot_product(user, item) - lengths
