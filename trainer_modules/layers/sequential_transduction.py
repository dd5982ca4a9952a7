"""A block of gated attention without a softmax, over earlier positions only."""

import numpy as np
import tensorflow as tf

from trainer_modules.layers.time_buckets import NUM_BUCKETS, weights_of


class SequentialTransductionUnit(tf.keras.layers.Layer):
    """Pointwise gated attention with biases by distance in positions and in time.

    Zhai et al. 2024 (https://arxiv.org/abs/2402.17152), section 3, in the form of their
    code for section 4.1.1 (https://github.com/facebookresearch/generative-recommenders):
    U, V, Q and K are the SiLU of one projection of the normalised input X, and the
    output is X + f(norm(SiLU(Q K^T + bias) V / N) U). The bias is the sum of a weight
    for the number of positions between two items and one for the bucket of the time
    between them (``time_buckets``).
    Differs from their code: N is the number of items that a position sees, not the
    length of the padded history; and distances to later positions have no bias.
    """

    def __init__(
        self, dim: int, heads: int, length: int, dropout_rate: float, time_bias: bool
    ):
        """Makes the projections.

        Args:
            dim: D, length of each vector.
            heads: Number of heads; it divides D.
            length: L, number of positions.
            dropout_rate: Dropout rate of the gated vectors.
            time_bias: Whether there is a bias by time.
        """
        super().__init__()
        self.heads = heads
        self.input_norm = _normalisation()
        self.projections = tf.keras.layers.Dense(
            4 * dim,
            "swish",  # another name of SiLU
            use_bias=False,
            kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.02),
        )
        self.distance_bias = self.add_weight(
            "distance_bias",
            [length],
            initializer=tf.keras.initializers.RandomNormal(stddev=0.02),
        )
        self.time_bias = None
        if time_bias:
            self.time_bias = self.add_weight(
                "time_bias",
                [NUM_BUCKETS],
                initializer=tf.keras.initializers.RandomNormal(stddev=0.02),
                # Millions of gradients are added up, too many for half precision.
                experimental_autocast=False,
            )
        self.attention_norm = _normalisation()
        self.dropout = tf.keras.layers.Dropout(dropout_rate)
        self.output_projection = tf.keras.layers.Dense(dim)

    def call(
        self,
        value: tf.Tensor,
        is_real: tf.Tensor,
        bucket: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Returns vectors of the same shape.

        Args:
            value: Vectors, [B, L, D].
            is_real: [B, L], False for padding, which no position attends to.
            bucket: Bucket of the time between each two positions, [B, L, L], for the
                bias by time.
            training: Whether to apply dropout.
        """
        shape = [tf.shape(value)[0], value.shape[1], value.shape[2]]
        joined = self.projections(self.input_norm(value))
        gate, content, query, key = tf.split(joined, 4, axis=-1)
        affinity = tf.matmul(self._by_head(query), self._by_head(key), transpose_b=True)
        affinity += self._bias()
        if self.time_bias is not None:
            by_time = weights_of(self.time_bias, bucket, self.compute_dtype)
            affinity += by_time[:, tf.newaxis]
        weight = tf.nn.silu(affinity) * self._mean_of_seen(is_real)
        mixed = tf.matmul(weight, self._by_head(content))  # [B, heads, L, D / heads]
        mixed = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), shape)
        gated = self.dropout(self.attention_norm(mixed) * gate, training=training)
        return value + self.output_projection(gated)

    def _by_head(self, value: tf.Tensor) -> tf.Tensor:
        """Returns vectors [B, L, D] as [B, heads, L, D / heads]."""
        batch, length, dim = tf.shape(value)[0], value.shape[1], value.shape[2]
        heads = tf.reshape(value, [batch, length, self.heads, dim // self.heads])
        return tf.transpose(heads, [0, 2, 1, 3])

    def _bias(self) -> tf.Tensor:
        """Returns the bias [L, L] of each position for each earlier one."""
        place = np.arange(self.distance_bias.shape[0])
        distance = np.maximum(place[:, np.newaxis] - place, 0)
        return tf.cast(tf.gather(self.distance_bias, distance), self.compute_dtype)

    def _mean_of_seen(self, is_real: tf.Tensor) -> tf.Tensor:
        """Returns 1 / N where a position sees another and 0 elsewhere, [B, 1, L, L]."""
        real = tf.cast(is_real, tf.float32)
        num_seen = tf.maximum(tf.cumsum(real, 1), 1.0)  # of each position, [B, L]
        sees = tf.linalg.band_part(
            real[:, tf.newaxis] / num_seen[..., tf.newaxis], -1, 0
        )
        return tf.cast(sees, self.compute_dtype)[:, tf.newaxis]


def _normalisation() -> tf.keras.layers.LayerNormalization:
    """Returns a normalisation of vectors, without weights."""
    return tf.keras.layers.LayerNormalization(epsilon=1e-6, center=False, scale=False)
