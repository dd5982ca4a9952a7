"""Embeddings of users and their candidates, by their ids alone."""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.layers.decay import decay
from trainer_modules.layers.sharded_table import vector_table
from trainer_modules.sizes import Sizes


class IdEmbeddings(tf.keras.layers.Layer):
    """Looks up a vector for each user and for each candidate, in two tables.

    In training, the vectors that are read decay.
    """

    def __init__(self, sizes: Sizes, dim: int, stddev: float = 0.01, l2: float = 0.0):
        """Makes the tables.

        Args:
            sizes: Number of users and items.
            dim: D, length of each vector.
            stddev: Standard deviation of the random initial values; 0.01 is that of He
                et al. 2017 (https://arxiv.org/abs/1708.05031).
            l2: Strength of the weight decay.
        """
        super().__init__()
        self.l2 = l2
        self.user = vector_table("user", sizes, dim, stddev)
        self.item = vector_table("item", sizes, dim, stddev)

    def call(
        self, features: dict[str, tf.Tensor], training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the vectors of the users and of their candidates.

        Args:
            features: ``user_index`` [B], and ``item_index`` [B, C] or, for candidates
                that all users share, [1, C].
            training: Whether to add the decay to the layer's losses.

        Returns:
            The users' vectors [B, D], and the candidates' [B, C, D] or [1, C, D].
        """
        user = self.user(features[f.USER_INDEX])
        item = self.item(features[f.ITEM_INDEX])
        if training and self.l2:
            self.add_loss(decay(self.l2, user, item))
        return user, item
