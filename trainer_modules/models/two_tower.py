"""A tower over the user and one over the item, whose outputs are multiplied.

Yi, Yang, Hong et al.: "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
Recommendations", RecSys 2019, https://doi.org/10.1145/3298689.3346996, section 3; and
Volkovs, Yu, Poutanen: "DropoutNet: Addressing Cold Start in Recommender Systems", NIPS
2017, https://papers.nips.cc/paper/7081, section 4.1: training hides ids at random.
Differs from the papers: ids are embedded and learned together with the towers; a hidden
id becomes the unknown one, whose vector is learned, not zero; vectors are not
normalised.
Shapes: B batch, C candidates, F fields of one side, D embedding.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.factorization import TwoTowerConfig
from trainer_modules.layers.decay import decay
from trainer_modules.layers.dot_product import dot_product
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.layers.joined_fields import joined_fields
from trainer_modules.layers.tower import Tower
from trainer_modules.sizes import Sizes


class TwoTower(tf.keras.Model):
    """score(u, i) = <g(p_u), h(q_i)>, towers g and h over all fields of each side."""

    def __init__(self, config: TwoTowerConfig, sizes: Sizes):
        super().__init__()
        self.num_items, self.l2 = sizes.num_items, config.l2
        self.shown = tf.keras.layers.Dropout(config.id_dropout_rate, dtype=tf.float32)
        self.embeddings = FieldEmbeddings(sizes, config.embedding_dim, config.stddev)
        self.user_tower = Tower(config.hidden_units)
        self.item_tower = Tower(config.hidden_units)
        self.user_vector = tf.keras.layers.Dense(config.embedding_dim, dtype=tf.float32)
        self.item_vector = tf.keras.layers.Dense(config.embedding_dim, dtype=tf.float32)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]."""
        user = self.users(features, training=training)  # [B, D]
        item = self.items(features[f.ITEM_INDEX], training=training)  # [.., C, D]
        if training and self.l2:
            self.add_loss(decay(self.l2, user, item))
        return dot_product(user, item)  # [B, C]

    def users(
        self, features: dict[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """Returns the vectors of users [B, D]."""
        row = self._shown(features[f.USER_INDEX], training)
        fields = self.embeddings.of_users({**features, f.USER_INDEX: row})  # [B, F, D]
        return self.user_vector(self.user_tower(joined_fields(fields)))  # [B, D]

    def items(self, item_index: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the vectors [..., D] of items [...], also those without a row."""
        row = tf.where(item_index < self.num_items, item_index, f.UNKNOWN_INDEX)
        row = self._shown(row, training)
        fields = self.embeddings.of_items(item_index, row)  # [..., F, D]
        return self.item_vector(self.item_tower(joined_fields(fields)))  # [..., D]

    def _shown(self, row: tf.Tensor, training: bool) -> tf.Tensor:
        is_shown = self.shown(tf.ones(tf.shape(row)), training=training) > 0
        return tf.where(is_shown, row, f.UNKNOWN_INDEX)
