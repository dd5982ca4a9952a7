"""The liked part of a history, and models that sum over it."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.interactions import Interactions
from trainer_modules.layers.fingerprint import fingerprint
from trainer_modules.sizes import Sizes


class LinearInLikes(tf.keras.Model):
    """score(u, i) = X_u b_i, where X_u is the weight of the items that u liked, else 0.

    All weights are 1, unless events differ in theirs, or each repeat counts.

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
        share = interactions.item_totals() / len(
            np.unique(interactions.user_index)
        )  # of the users
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
    """Returns the weight of each item in the liked part of a history, else 0: [B, V].

    As in training, weights of a repeated item are added up. Without weights, it counts
    1. Padding counts nothing.
    """
    history = features[f.HISTORY_ITEM_INDEX]  # [B, H]
    is_liked = features[f.HISTORY_LABEL] == f.LIKED  # [B, H]
    cell = tf.where(is_liked & (history != f.PADDING_INDEX))  # [N, 2]
    item = tf.cast(tf.gather_nd(history, cell), tf.int64)  # [N]
    shape = [tf.shape(features[f.USER_INDEX], tf.int64)[0], num_items]
    cell_of_item = tf.stack([cell[:, 0], item], 1)
    if f.HISTORY_WEIGHT in features:
        weight = tf.gather_nd(features[f.HISTORY_WEIGHT], cell)
        return tf.scatter_nd(cell_of_item, weight, shape)
    times = tf.scatter_nd(cell_of_item, tf.ones_like(item, tf.float32), shape)
    return tf.minimum(times, 1.0)


class Liked(NamedTuple):
    """The liked part of histories.

    Attributes:
        item_index: Indices of the liked items, [B, H], padded with 0.
        weight: How much each of them counts, [B, H].
        fingerprint: Hashes of the sets of items with their weights, [B].
    """

    item_index: tf.Tensor
    weight: tf.Tensor
    fingerprint: tf.Tensor


def liked_history(features: dict[str, tf.Tensor]) -> Liked:
    """Returns the liked part of histories, in which an item may occur repeatedly.

    Then it is listed once, and its weights are added up if there are weights.
    """
    is_liked = features[f.HISTORY_LABEL] == f.LIKED  # [B, H]
    item = tf.where(is_liked, features[f.HISTORY_ITEM_INDEX], f.PADDING_INDEX)
    weight = tf.ones_like(item, tf.float32)
    if f.HISTORY_LEFT_OUT in features:
        item, total = _once(item, features.get(f.HISTORY_WEIGHT, weight))
        if f.HISTORY_WEIGHT in features:
            return Liked(item, total, fingerprint(item, total))
    return Liked(item, weight, fingerprint(item))


def _once(item: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns each item of rows [B, H] once, padded, and its summed weights [B, H]."""
    order = tf.argsort(item, 1, stable=True)
    item, weight = (tf.gather(lists, order, batch_dims=1) for lists in (item, weight))
    before = tf.pad(item[:, :-1], [[0, 0], [1, 0]], constant_values=-1)
    is_first = item != before  # in each row, also the first column
    group = tf.cumsum(tf.reshape(tf.cast(is_first, tf.int32), [-1]))
    totals = tf.math.segment_sum(tf.reshape(weight, [-1]), group)
    total = tf.reshape(tf.gather(totals, group), tf.shape(weight))
    return tf.where(is_first, item, f.PADDING_INDEX), total
