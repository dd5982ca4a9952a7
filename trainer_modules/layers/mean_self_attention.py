"""Self-attention over a user's last items, averaged to one vector."""

import numpy as np
import tensorflow as tf


class MeanSelfAttention(tf.keras.layers.Layer):
    """Summarises L vectors in one: each attends to the others, then the mean is taken.

    Zhang et al. 2018 (https://arxiv.org/abs/1808.06414), equations 2 to 8. Queries and
    keys share one projection, ReLU(W x), of the vectors plus a time signal that encodes
    their positions; the values are the vectors themselves. No vector attends to itself,
    except a lone one.
    """

    def __init__(self, length: int, dim: int):
        """Makes the projection.

        Args:
            length: L, number of vectors of each user.
            dim: D, length of each vector.
        """
        super().__init__()
        self.others = ~np.eye(length, dtype=bool)  # [L, L]
        self.signal = _time_signal(length, dim)  # [L, D]
        self.projection = tf.keras.layers.Dense(dim, "relu", use_bias=False)

    def call(self, value: tf.Tensor, is_real: tf.Tensor) -> tf.Tensor:
        """Returns the mean of the attended vectors over the positions in use.

        Args:
            value: Vectors, [B, L, D].
            is_real: [B, L], False for padding.

        Returns:
            One vector for each user, [B, D]: a lone vector unchanged, and the zero
            vector if there is only padding.
        """
        # Equations 2 and 3 with one W.
        key = self.projection(value + tf.cast(self.signal, value.dtype))  # [B, L, D]
        affinity = tf.cast(tf.matmul(key, key, transpose_b=True), tf.float32)
        affinity /= value.shape[-1] ** 0.5  # [B, L, L]
        num_real = tf.reduce_sum(tf.cast(is_real, tf.float32), 1)
        is_lone = (num_real == 1)[:, tf.newaxis, tf.newaxis]
        is_seen = is_real[:, tf.newaxis] & (self.others | is_lone)  # [B, L, L]
        weight = tf.nn.softmax(tf.where(is_seen, affinity, tf.float32.min))
        # Equations 5 and 6; taking the mean before the values saves work.
        mean = tf.cast(is_real, tf.float32)[:, tf.newaxis]  # [B, 1, L]
        mean /= tf.maximum(num_real, 1)[:, tf.newaxis, tf.newaxis]
        mean_weight = tf.cast(tf.matmul(mean, weight), value.dtype)  # [B, 1, L]
        return tf.matmul(mean_weight, value)[:, 0]  # [B, D]


def _time_signal(length: int, dim: int) -> tf.Tensor:
    """Returns equations 7 and 8: alternating sines and cosines of positions, [L, D]."""
    place, column = np.arange(length)[:, np.newaxis], np.arange(dim)
    angle = place / 10000 ** (column // 2 * 2 / dim)
    signal = np.where(column % 2 == 0, np.sin(angle), np.cos(angle))
    return tf.constant(signal, tf.float32)
