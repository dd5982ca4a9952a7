"""Concatenates the vectors of all fields."""

import tensorflow as tf


def joined_fields(fields: tf.Tensor) -> tf.Tensor:
    """Returns the vectors of each pair's fields, one after the other.

    Args:
        fields: Vectors of the fields, [B, C, F, D], with F and D known when traced.

    Returns:
        One vector for each pair, [B, C, F * D].
    """
    shape = tf.shape(fields)
    return tf.reshape(fields, [shape[0], shape[1], fields.shape[2] * fields.shape[3]])
