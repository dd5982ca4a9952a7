"""A linear model that memorises and a deep one that generalises, trained together.

Cheng et al.: "Wide & Deep Learning for Recommender Systems", DLRS 2016,
https://arxiv.org/abs/1606.07792, equations 2 and 3, and section 3.3 for the optimizers.
Differs from the paper: the two logits are averaged instead of added; the wide part has
no hand-made crosses of fields; Adam instead of AdaGrad trains the deep part.
Shapes: B batch, C candidates, F fields, D embedding, U the tower's widths.
"""

import tensorflow as tf

from trainer_modules.configs.base import Optimizer
from trainer_modules.configs.fields import WideDeepConfig
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.layers.joined_fields import joined_fields
from trainer_modules.layers.linear_terms import LinearTerms
from trainer_modules.layers.tower import Tower
from trainer_modules.sizes import Sizes


class WideDeep(tf.keras.Model):
    """score(u, i) = (w_0 + sum_f w_f + h^T tower([v_1; ...; v_F]) + b) / 2."""

    def __init__(self, config: WideDeepConfig, sizes: Sizes):
        super().__init__()
        self.wide = LinearTerms(sizes)
        self.embeddings = FieldEmbeddings(sizes, config.embedding_dim, l2=config.l2)
        self.tower = Tower(config.hidden_units, config.activation, config.dropout_rate)
        self.prediction = tf.keras.layers.Dense(1, dtype=tf.float32)
        self.config = config

    @property
    def optimized_apart(self) -> list[tuple[tf.keras.layers.Layer, Optimizer, float]]:
        """The wide part, with an optimizer and a learning rate of its own."""
        return [(self.wide, self.config.wide_optimizer, self.config.wide_learning_rate)]

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        wide = self.wide(features)  # [B, C]
        fields = self.embeddings(features, training=training)  # [B, C, F, D]
        hidden = self.tower(joined_fields(fields), training=training)  # [B, C, U_L]
        deep = self.prediction(hidden)[..., 0]  # [B, C]
        return (wide + deep) / 2  # [B, C]
