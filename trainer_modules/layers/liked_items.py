"""What all models share that score an item by a sum over a user's liked items."""

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.interactions import Interactions
from trainer_modules.sizes import Sizes


class LinearInLikes(tf.keras.Model):
    """score(u, i) = X_u b_i, where X_u is 1 for every item that u liked, else 0.

    A user without a history gets the mean scores of all users. A subclass computes the
    scores of all items.
    """

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.num_items = sizes.num_items
        self.mean_score = tf.Variable(tf.zeros([self.num_items]), trainable=False)

    def scores(self, liked: tf.Tensor) -> tf.Tensor:
        """Returns the scores of all items for rows of what users liked, [B, V] both."""
        raise NotImplementedError

    def set_mean_score(self, interactions: Interactions) -> None:
        """Computes the scores of users without a history, of the solved model."""
        count = np.bincount(interactions.item_index, minlength=self.num_items)
        share = count / len(np.unique(interactions.user_index))  # of the users
        mean_user = tf.constant(share[np.newaxis], tf.float32)
        self.mean_score.assign(self.scores(mean_user)[0])

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]."""
        liked = liked_items(features, self.num_items)  # [B, V]
        has_history = tf.reduce_any(liked > 0, 1, keepdims=True)  # [B, 1]
        score = tf.where(has_history, self.scores(liked), self.mean_score)  # [B, V]
        item = features[f.ITEM_INDEX]  # [B, C], or [1, C] for the same of every user
        item = tf.broadcast_to(item, [tf.shape(score)[0], tf.shape(item)[1]])
        return tf.gather(score, item, batch_dims=1)


def liked_items(features: dict[str, tf.Tensor], num_items: int) -> tf.Tensor:
    """Returns 1 for each item in the liked part of a user's history, else 0: [B, V].

    As in training, an item that is repeated counts once; padding counts nothing.
    """
    history = features[f.HISTORY_ITEM_INDEX]  # [B, H]
    is_liked = features[f.HISTORY_LABEL] == f.LIKED  # [B, H]
    cell = tf.where(is_liked & (history != f.PADDING_INDEX))  # [N, 2]
    item = tf.cast(tf.gather_nd(history, cell), tf.int64)  # [N]
    shape = [tf.shape(features[f.USER_INDEX], tf.int64)[0], num_items]
    times = tf.scatter_nd(
        tf.stack([cell[:, 0], item], 1), tf.ones_like(item, tf.float32), shape
    )
    return tf.minimum(times, 1.0)
