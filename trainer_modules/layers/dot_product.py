"""Inner products of users with their candidates."""

import tensorflow as tf


def dot_product(user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
    """Returns the inner product of each user with each of the user's candidates.

    Args:
        user: Vectors of the users, [B, D].
        item: Vectors of the candidates, [B, C, D]; or [1, C, D] if all users have the
            same candidates, which takes one matrix product instead of B.

    Returns:
        Inner products, [B, C].
    """
    if item.shape[0] == 1:
        return tf.matmul(user, item[0], transpose_b=True)
    return tf.linalg.matvec(item, user)
