"""Scales vectors that are given for users or items; models project them."""

import tensorflow as tf


def given_vectors(values: tf.RaggedTensor, size: int) -> tf.Tensor:
    """Returns vectors as rows, of NaN where a user or an item has none.

    Args:
        values: Numbers of each row, float32 [B, (N)].
        size: D, the length of a vector.

    Returns:
        Rows, [B, D]. A vector of zeros counts as missing. So does one that is not D
        finite numbers, which only a request may contain: an error would also fail the
        requests of others that are answered in the same call.
    """
    numbers = values.to_tensor(shape=[None, size])
    is_given = (
        (tf.cast(values.row_lengths(), tf.int64) == size)
        & tf.reduce_all(tf.math.is_finite(numbers), 1)
        & tf.reduce_any(numbers != 0, 1)
    )
    return tf.where(is_given[:, tf.newaxis], numbers, float("nan"))


def scaled(vectors: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
    """Returns vectors around 0, whose squared numbers are 1 on average in training.

    All numbers are divided by the same scale, so the distances between vectors keep
    their proportions, and numbers that hardly vary stay small.

    Args:
        vectors: Rows of ``given_vectors``, [B, D].
        mean: Mean of the training vectors, float64 [D]: the square of a number in 32
            bits may need 64.
        variance: Variance of each of their numbers, float64 [D].

    Returns:
        Vectors, float32 [B, D]; zeros for a missing one.
    """
    scale = tf.sqrt(tf.reduce_mean(variance))
    mean, scale = (tf.cast(number, tf.float32) for number in (mean, scale))
    rows = tf.math.divide_no_nan(vectors - mean, scale)
    return tf.where(tf.math.is_finite(rows), rows, 0.0)
