"""Finds the vectors with the largest cosines."""

import tensorflow as tf


def nearest(
    query: tf.Tensor, vectors: tf.Tensor, is_out: tf.Tensor, k: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the vectors with the largest cosines, best first.

    Args:
        query: Vectors, [B, D]; the cosines of a zero vector are 0.
        vectors: Vectors to compare them with, [V, D].
        is_out: Which vectors are left out of each list, [B, V].
        k: How many to return; fewer if there are fewer.

    Returns:
        Places of the vectors [B, k], and their cosines [B, k]; -inf for those that are
        left out.
    """
    unit = tf.math.l2_normalize(query, 1)
    # The products are divided rather than the vectors, of which this would be a copy.
    cosine = tf.math.divide_no_nan(
        tf.matmul(unit, vectors, transpose_b=True), tf.norm(vectors, axis=1)
    )
    cosine = tf.where(is_out, -float("inf"), cosine)
    top = tf.math.top_k(cosine, tf.minimum(k, tf.shape(vectors)[0]))
    return top.indices, top.values
