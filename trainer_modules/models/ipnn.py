"""A deep network over the fields and the inner products of all their pairs.

Qu, Cai, Ren, Zhang, Yu, Wen, Wang: "Product-based Neural Networks for User Response
Prediction", ICDM 2016, https://arxiv.org/abs/1611.00144, section 3.1 and, for the
products, 3.2.
Differs from the paper: the weights of the products are not factorised, as there are
only F (F - 1) / 2 products; the product of a field with itself is left out.
Shapes: B batch, C candidates, F fields, P pairs of fields, D embedding.
"""

import tensorflow as tf

from trainer_modules.configs.fields import IPNNConfig
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.layers.joined_fields import joined_fields
from trainer_modules.layers.pairwise_products import pairwise_products
from trainer_modules.layers.tower import Tower
from trainer_modules.sizes import Sizes


class IPNN(tf.keras.Model):
    """score(u, i) = w^T tower([v_1; ...; v_F; <v_1, v_2>; ...; <v_{F-1}, v_F>]) + b."""

    def __init__(self, config: IPNNConfig, sizes: Sizes):
        super().__init__()
        self.embeddings = FieldEmbeddings(sizes, config.embedding_dim, l2=config.l2)
        self.tower = Tower(config.hidden_units, config.activation, config.dropout_rate)
        self.prediction = tf.keras.layers.Dense(1, dtype=tf.float32)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        fields = self.embeddings(features, training=training)  # [B, C, F, D]
        products = tf.reduce_sum(pairwise_products(fields), -1)  # [B, C, P]
        signals = tf.concat([joined_fields(fields), products], -1)  # [B, C, F * D + P]
        hidden = self.tower(signals, training=training)  # [B, C, U_L]
        return self.prediction(hidden)[..., 0]  # [B, C]
