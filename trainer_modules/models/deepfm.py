"""A factorisation machine and a deep network over the same embeddings.

Guo, Tang, Ye, Li, He: "DeepFM: A Factorization-Machine based Neural Network for CTR
Prediction", IJCAI 2017, https://arxiv.org/abs/1703.04247, equations 1 to 4.
Shapes: B batch, C candidates, F fields, D embedding, U the tower's widths.
"""

import tensorflow as tf

from trainer_modules.configs.fields import DeepFMConfig
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.layers.joined_fields import joined_fields
from trainer_modules.layers.linear_terms import LinearTerms
from trainer_modules.layers.pairwise_products import sum_of_pairwise_products
from trainer_modules.layers.tower import Tower
from trainer_modules.sizes import Sizes


class DeepFM(tf.keras.Model):
    """score(u, i) = FM(u, i) + h^T ReLU(W_L(... ReLU(W_1 [v_1; ...; v_F] + b_1)))."""

    def __init__(self, config: DeepFMConfig, sizes: Sizes):
        super().__init__()
        self.linear = LinearTerms(sizes)
        self.embeddings = FieldEmbeddings(sizes, config.embedding_dim, l2=config.l2)
        self.tower = Tower(config.hidden_units, config.activation, config.dropout_rate)
        self.prediction = tf.keras.layers.Dense(1, use_bias=False, dtype=tf.float32)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        fields = self.embeddings(features, training=training)  # [B, C, F, D]
        hidden = self.tower(joined_fields(fields), training=training)  # [B, C, U_L]
        deep = self.prediction(hidden)[..., 0]  # [B, C]
        return self.linear(features) + sum_of_pairwise_products(fields) + deep
