"""The most liked items, the same list for every user: the bar for other models.

Cremonesi, Koren, Turrin: "Performance of Recommender Algorithms on Top-N
Recommendation Tasks", RecSys 2010, https://doi.org/10.1145/1864708.1864721,
section 3.1 (TopPop).
Shapes: B batch, C candidates, V item vocabulary.
"""

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.closed_form import PopularityConfig
from trainer_modules.interactions import Interactions
from trainer_modules.sizes import Sizes


class Popularity(tf.keras.Model):
    """score(u, i) = the share of all users who liked i, or their mean weight for i."""

    def __init__(self, config: PopularityConfig, sizes: Sizes):
        super().__init__()
        del config  # there is nothing to choose
        self.share = tf.Variable(tf.zeros([sizes.num_items]), trainable=False)

    def solve(self, interactions: Interactions) -> None:
        """Counts how many users liked each item, by the weights of their events."""
        counts = interactions.item_totals()
        num_users = len(np.unique(interactions.user_index))
        self.share.assign((counts / num_users).astype(np.float32))

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C], the same in every row for the same candidates."""
        scores = tf.gather(self.share, features[f.ITEM_INDEX])  # [B, C] or [1, C]
        return scores + tf.zeros_like(features[f.USER_INDEX], tf.float32)[:, tf.newaxis]
