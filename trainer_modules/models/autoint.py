"""Fields that attend to each other, layer upon layer, beside a deep network.

Song, Shi, Xiao, Duan, Xu, Zhang, Tang: "AutoInt: Automatic Feature Interaction Learning
via Self-Attentive Neural Networks", CIKM 2019, https://arxiv.org/abs/1810.11921,
equations 5 to 9; with a deep network it is the AutoInt+ of section 5.5.
Differs from the paper: attention is scaled by the root of the size of a head; a product
joins the heads (Vaswani et al. 2017), as TensorFlow Addons has it.
Shapes: B batch, C candidates, F fields, D embedding, A a field's size after attention.
"""

import tensorflow as tf

from trainer_modules import addons
from trainer_modules.configs import AutoIntConfig
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.layers.joined_fields import joined_fields
from trainer_modules.layers.tower import Tower
from trainer_modules.sizes import Sizes


class AutoInt(tf.keras.Model):
    """score(u, i) = w^T [attended(v_1, ..., v_F) ; tower(v_1, ..., v_F)] + b."""

    def __init__(self, config: AutoIntConfig, sizes: Sizes):
        super().__init__()
        self.embeddings = FieldEmbeddings(sizes, config.embedding_dim, l2=config.l2)
        self.interacting = [
            Interacting(config.num_heads, config.head_dim)
            for _ in range(config.num_layers)
        ]
        self.towers = [
            Tower(config.hidden_units, config.activation, config.dropout_rate)
            for _ in range(bool(config.hidden_units))  # none without hidden units
        ]
        self.prediction = tf.keras.layers.Dense(1, dtype=tf.float32)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        fields = self.embeddings(features, training=training)  # [B, C, F, D]
        joined = joined_fields(fields)  # [B, C, F * D]
        deep = [tower(joined, training=training) for tower in self.towers]
        for layer in self.interacting:
            fields = layer(fields)  # [B, C, F, A]
        hidden = tf.concat([joined_fields(fields), *deep], -1)  # [B, C, F * A + U_L]
        return self.prediction(hidden)[..., 0]  # [B, C]


class Interacting(tf.keras.layers.Layer):
    """Equation 8: ReLU(attention over the fields + W_res v)."""

    def __init__(self, num_heads: int, head_dim: int):
        super().__init__()
        self.attention = addons.MultiHeadAttention(
            head_dim,
            num_heads,
            output_size=num_heads * head_dim,
            kernel_initializer=_glorot_uniform,
        )
        self.residual = tf.keras.layers.Dense(num_heads * head_dim, use_bias=False)

    def call(self, fields: tf.Tensor) -> tf.Tensor:
        """[B, C, F, D] to [B, C, F, A]."""
        return tf.nn.relu(self.attention([fields, fields]) + self.residual(fields))


def _glorot_uniform(shape: list[int], dtype: tf.DType, **_: object) -> tf.Tensor:
    """Drawn anew for each kernel: one initializer would make W_Query W_Key's equal."""
    return tf.keras.initializers.GlorotUniform()(shape, dtype)
