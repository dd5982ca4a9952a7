"""The inner product of users with their candidates."""

import tensorflow as tf


def dot_product(user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
    """Multiplies each user's vector with each of the user's candidates'.

    Args:
        user: [B, D].
        item: [B, C, D]; or [1, C, D], the same candidates for everybody, which is one
            matrix product instead of B.

    Returns:
        [B, C].
    """
    if item.shape[0] == 1:
        return tf.matmul(user, item[0], transpose_b=True)
    return tf.linalg.matvec(item, user)
