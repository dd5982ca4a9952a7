"""Items that a user has no positive of, drawn in the graph."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.interactions import Interactions

Draw = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
UNITS = 1 << 20  # the most popular item's weight: whole numbers make the draw exact


def negative_sampler(interactions: Interactions, power: float = 0.0) -> Draw:
    """Makes the function that draws items a user has no positive of.

    An item is drawn in proportion to popularity^power, its weight; no draw is thrown
    away. On a line, each item is as long as its weight. A user's line has no gaps where
    the positives p_0 < p_1 < ... were: the others before p_j are o_j long together. A
    place r on that line is as far on the whole one as r and all p_j with o_j <= r
    together are long, and what item is there is found by binary search.

    Args:
        interactions: The positives.
        power: Beta; with 0 every item is as likely as any other.

    Returns:
        (user_index [B], uniform [B, n] in [0, 1)) -> item_index [B, n] int32; the
        reserved padding row is never drawn, the unknown row is an item like others. For
        a user who has all of them, it is any.
    """
    weights = _weights(interactions, power)
    ends = np.cumsum(weights)  # of each item on the line
    splits = interactions.row_splits()
    positive = weights[interactions.item_index]
    positives_before = np.concatenate([[0], np.cumsum(positive)])  # of all users
    of_user = positives_before[splits]
    user = interactions.user_index.astype(np.int64)
    others_before = (
        (ends[interactions.item_index] - positive)
        - (positives_before[:-1] - of_user[user])
    )  # fmt: skip
    # One sorted list for all users: a user's part starts at user x length.
    length = int(ends[-1])
    keys = tf.constant(user * length + others_before)
    num_others = tf.constant((length - np.diff(of_user)).astype(np.float64))
    item_ends, num_items = tf.constant(ends), interactions.num_items
    first, positives_before = tf.constant(of_user[:-1]), tf.constant(positives_before)

    def draw(user_index: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        others = tf.gather(num_others, user_index)[:, tf.newaxis]
        r = tf.cast(tf.floor(tf.cast(uniform, tf.float64) * others), tf.int64)
        query = tf.cast(user_index, tf.int64)[:, tf.newaxis] * length + r
        found = _search(keys, query)
        before = (
            tf.gather(positives_before, found)
            - tf.gather(first, user_index)[:, tf.newaxis]
        )
        item = _search(item_ends, r + before)
        return tf.cast(tf.minimum(item, num_items - 1), tf.int32)

    return draw


def _weights(interactions: Interactions, power: float) -> npt.NDArray[np.int64]:
    """Popularity^power by item: at least 1, but for padding, which has 0."""
    popularity = np.bincount(
        interactions.item_index, minlength=interactions.num_items
    )[f.UNKNOWN_INDEX :].astype(np.float64)  # fmt: skip
    if not power:
        weights = np.ones(len(popularity), np.int64)
    else:
        share = (popularity / popularity.max()) ** power
        weights = np.maximum(1, np.round(UNITS * share)).astype(np.int64)
    return np.concatenate([np.zeros(f.UNKNOWN_INDEX, np.int64), weights])


def _search(ends: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """How many of the sorted ends are not after each place."""
    found = tf.searchsorted(
        ends, tf.reshape(places, [-1]), side="right", out_type=tf.int64
    )
    return tf.reshape(found, tf.shape(places))
