"""Concatenates the vectors of all fields."""

import tensorflow as tf


def joined_fields(fields: tf.Tensor) -> tf.Tensor:
    """Returns the vectors of a pair's, a user's or an item's fields as a single one.

    Args:
        fields: Vectors of the fields, [..., F, D], with F and D known when traced.

    Returns:
        The vectors one after the other, [..., F * D].
    """
    width = fields.shape[-2] * fields.shape[-1]
    return tf.reshape(fields, tf.concat([tf.shape(fields)[:-2], [width]], 0))
