"""Weight decay of the vectors that a batch reads, rather than of whole tables."""

import tensorflow as tf


def decay(l2: float, *vectors: tf.Tensor) -> tf.Tensor:
    """Returns ``l2`` times the sum of the mean squared lengths of the vectors.

    As in Rendle et al. 2020 (https://arxiv.org/abs/2005.09683), section 2.2: each
    training pair pays for its user and its item, so a vector that is read often decays
    often.

    Args:
        l2: Strength of the decay, at least 0.
        *vectors: Tensors of vectors, [..., D] each; each one's mean is taken over all
            axes but the last.

    Returns:
        A scalar to add to the loss.
    """
    squares = [
        tf.reduce_sum(tf.cast(vector, tf.float32) ** 2, -1) for vector in vectors
    ]
    return l2 * tf.add_n([tf.reduce_mean(square) for square in squares])
