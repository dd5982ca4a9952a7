"""L2 of what a batch reads, not of whole tables: what is read often decays often."""

import tensorflow as tf


def decay(l2: float, *vectors: tf.Tensor) -> tf.Tensor:
    """l2 times the mean squared length of each of several [..., D], summed.

    As in Rendle et al. 2020 (https://arxiv.org/abs/2005.09683), section 2.2: each
    training pair pays for its user and its item.
    """
    squares = [tf.reduce_sum(tf.cast(v, tf.float32) ** 2, -1) for v in vectors]
    return l2 * tf.add_n([tf.reduce_mean(square) for square in squares])
