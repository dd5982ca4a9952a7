"""All vectors of a pair as one."""

import tensorflow as tf


def joined_fields(fields: tf.Tensor) -> tf.Tensor:
    """[B, C, F, D] to [B, C, F * D]."""
    shape = tf.shape(fields)
    return tf.reshape(fields, [shape[0], shape[1], fields.shape[2] * fields.shape[3]])
