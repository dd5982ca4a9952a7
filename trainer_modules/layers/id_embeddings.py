"""The embeddings of a user and its candidates by their ids alone."""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.layers.decay import decay
from trainer_modules.layers.vector_table import VectorTable
from trainer_modules.sizes import Sizes


class IdEmbeddings(tf.keras.layers.Layer):
    """Two tables; in training, the vectors that are read decay."""

    def __init__(self, sizes: Sizes, dim: int, stddev: float = 0.01, l2: float = 0.0):
        """Makes the tables.

        Args:
            sizes: Of the data.
            dim: D, of each vector.
            stddev: Of the random start; 0.01 is He et al.'s.
            l2: Weight decay.
        """
        super().__init__()
        self.l2 = l2
        self.user = VectorTable("user", sizes, dim, stddev)
        self.item = VectorTable("item", sizes, dim, stddev)

    def call(
        self, features: dict[str, tf.Tensor], training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Looks up users [B, D] and their candidates [B, C, D] or [1, C, D]."""
        user = self.user(features[f.USER_INDEX])
        item = self.item(features[f.ITEM_INDEX])
        if training and self.l2:
            self.add_loss(decay(self.l2, user, item))
        return user, item
