"""How close users are to their candidates."""

import tensorflow as tf

from trainer_modules.layers.dot_product import dot_product


def negative_squared_distance(user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
    """The negative square of the distance of each user to each candidate, at most 0.

    Multiplied out, ``2 <u, i> - |u|^2 - |i|^2``: one matrix product for candidates that
    all users share.

    Args:
        user: [B, D].
        item: [B, C, D]; or [1, C, D], the same candidates for everybody.

    Returns:
        [B, C].
    """
    lengths = tf.reduce_sum(user**2, -1, keepdims=True) + tf.reduce_sum(item**2, -1)
    return 2 * dot_product(user, item) - lengths
