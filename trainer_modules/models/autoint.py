"""Layers in which fields attend to each other, beside a deep network.

Song, Shi, Xiao, Duan, Xu, Zhang, Tang: "AutoInt: Automatic Feature Interaction Learning
via Self-Attentive Neural Networks", CIKM 2019, https://arxiv.org/abs/1810.11921,
equations 5 to 9; with a deep network, the AutoInt+ of section 5.5.
Shapes: B batch, C candidates, F fields, D embedding, H heads, A a field's size after
attention.
"""

import tensorflow as tf

from trainer_modules.configs.fields import AutoIntConfig
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
        self.towers = (
            [Tower(config.hidden_units, config.activation, config.dropout_rate)]
            if config.hidden_units
            else []
        )
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
    """ReLU(attention over the fields + W_res v), equations 5 to 8.

    Computed as products of matrices with the heads as the first axis, four times as
    fast as the einsum of TensorFlow Addons' attention (docs/adr/0014).
    """

    def __init__(self, num_heads: int, head_dim: int):
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key, self.value, self.residual = (
            tf.keras.layers.Dense(num_heads * head_dim, use_bias=False)
            for _ in range(4)
        )

    def call(self, fields: tf.Tensor) -> tf.Tensor:
        """Returns attended fields [B, C, F, A] for fields [B, C, F, D]."""
        query, key, value = (
            tf.stack(tf.split(projection(fields), self.num_heads, -1))
            for projection in (self.query, self.key, self.value)
        )  # [H, B, C, F, A / H]
        weight = tf.nn.softmax(tf.matmul(query, key, transpose_b=True))  # equation 5
        heads = tf.unstack(tf.matmul(weight, value))  # equation 6
        return tf.nn.relu(tf.concat(heads, -1) + self.residual(fields))
