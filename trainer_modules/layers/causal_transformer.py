"""A block of self-attention in which a position sees only itself and earlier ones."""

import tensorflow as tf


class CausalTransformerBlock(tf.keras.layers.Layer):
    """Attention over earlier positions and a network of two layers for each position.

    Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3, with the
    normalisation before each part and a residual connection around it, as in Kang and
    McAuley 2018 (https://arxiv.org/abs/1808.09781), equations 2 to 6.
    """

    def __init__(self, dim: int, heads: int, inner_dim: int, dropout_rate: float):
        """Makes the projections.

        Args:
            dim: D, length of each vector.
            heads: Number of heads; it divides D.
            inner_dim: Units of the first of the two layers.
            dropout_rate: Dropout rate of attention weights and of both outputs.
        """
        super().__init__()
        self.heads = heads
        self.attention_norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self.query_key_value = tf.keras.layers.Dense(3 * dim)
        self.output_projection = tf.keras.layers.Dense(dim)
        self.network_norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self.inner = tf.keras.layers.Dense(inner_dim, "gelu")
        self.outer = tf.keras.layers.Dense(dim)
        self.dropout = tf.keras.layers.Dropout(dropout_rate)

    def call(
        self, value: tf.Tensor, is_real: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Returns vectors of the same shape.

        Args:
            value: Vectors, [B, L, D].
            is_real: [B, L], False for padding, which no position attends to.
            training: Whether to apply dropout.
        """
        attended = self._attend(self.attention_norm(value), is_real, training)
        value += self.dropout(attended, training=training)
        inner = self.dropout(self.inner(self.network_norm(value)), training=training)
        return value + self.dropout(self.outer(inner), training=training)

    def _attend(
        self, value: tf.Tensor, is_real: tf.Tensor, training: bool
    ) -> tf.Tensor:
        batch, length, dim = tf.shape(value)[0], value.shape[1], value.shape[2]
        head_dim = dim // self.heads
        joined = tf.reshape(
            self.query_key_value(value), [batch, length, 3, self.heads, head_dim]
        )
        query, key, content = tf.unstack(tf.transpose(joined, [2, 0, 3, 1, 4]))
        affinity = tf.matmul(query * head_dim**-0.5, key, transpose_b=True)
        affinity = tf.cast(affinity, tf.float32)  # [B, heads, L, L]
        # A finite number, so that a position that sees nothing has no weight of NaN.
        hidden = tf.cast(~is_real, tf.float32)[:, tf.newaxis, tf.newaxis] * -1e9
        later = tf.constant(-1e9) * (
            1 - tf.linalg.band_part(tf.ones([length] * 2), -1, 0)
        )
        weight = tf.cast(tf.nn.softmax(affinity + hidden + later), value.dtype)
        weight = self.dropout(weight, training=training)
        mixed = tf.transpose(tf.matmul(weight, content), [0, 2, 1, 3])
        return self.output_projection(tf.reshape(mixed, [batch, length, dim]))
