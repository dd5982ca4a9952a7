"""Draws items that a user has no positive of, inside the TensorFlow graph."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.disk_arrays import Writer, blocks, computed, counts, tensor
from trainer_modules.interactions import Indices, Interactions

Draw = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
UNITS = 1 << 20  # the most popular item's weight; whole numbers make the draw exact


def negative_sampler(interactions: Interactions, power: float = 0.0) -> Draw:
    """Returns a function that draws items a user has no positive of.

    An item is drawn with a probability proportional to its weight, popularity^power,
    and no draw is rejected. Picture all items side by side on a line, each as long as
    its weight. A user's own line omits the user's positives p_0 < p_1 < ... and closes
    the gaps; let o_j be the total length of the other items before p_j. Position r on
    the user's line then corresponds, on the line of all items, to r plus the lengths of
    all p_j with o_j <= r. That j and, unless all weights are 1, the item at the
    resulting position are found by binary search.

    Args:
        interactions: The positives.
        power: Beta; 0 makes all items equally likely.

    Returns:
        A function of user indices [B] and uniform numbers [B, n] in [0, 1) that returns
        item indices [B, n] int32. It never draws the padding row, and treats the
        unknown row as one item. A user who has a positive of every item gets arbitrary
        items.
    """
    weights = _weights(interactions, power)
    ends = np.cumsum(weights)  # where each item ends on the line
    length, num_items = int(ends[-1]), interactions.num_items
    item_index, user_index = interactions.item_index, interactions.user_index
    positives_before = _sums_before(weights, item_index)  # over all users
    before_user = positives_before[interactions.row_splits()]
    start = before_user[:-1] + length * np.arange(interactions.num_users)
    # The lengths of the others before each positive, in one sorted list for all users;
    # a user's part starts at user * length.
    sorted_others = computed(
        lambda rows: (
            (ends - weights)[item_index[rows]]
            - positives_before[rows]
            + start[user_index[rows]]
        ),
        len(interactions),
        np.int64,
    )
    keys = tensor(sorted_others)
    num_others = tf.constant((length - np.diff(before_user)).astype(np.float64))

    def item_at(place: tf.Tensor) -> tf.Tensor:
        # Items of equal length, each 1 long, need no search.
        return _search(tf.constant(ends), place) if power else f.UNKNOWN_INDEX + place

    first = tf.constant(before_user[:-1])
    # If each is 1 long, so many are before the positive of this number.
    lengths_before = tensor(positives_before) if power else None

    def draw(user_index: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        others = tf.gather(num_others, user_index)[:, tf.newaxis]
        r = tf.cast(tf.floor(tf.cast(uniform, tf.float64) * others), tf.int64)
        query = tf.cast(user_index, tf.int64)[:, tf.newaxis] * length + r
        found = _search(keys, query)
        before = found if lengths_before is None else tf.gather(lengths_before, found)
        item = item_at(r + before - tf.gather(first, user_index)[:, tf.newaxis])
        return tf.cast(tf.minimum(item, num_items - 1), tf.int32)

    return draw


def _weights(interactions: Interactions, power: float) -> npt.NDArray[np.int64]:
    """Returns popularity^power by item, at least 1, and 0 for padding."""
    count = counts(interactions.item_index, interactions.num_items)
    popularity = count[f.UNKNOWN_INDEX :].astype(np.float64)
    if not power:
        weights = np.ones(len(popularity), np.int64)
    else:
        share = (popularity / popularity.max()) ** power
        weights = np.maximum(1, np.round(UNITS * share)).astype(np.int64)
    return np.concatenate([np.zeros(f.UNKNOWN_INDEX, np.int64), weights])


def _sums_before(
    weights: npt.NDArray[np.int64], item_index: Indices
) -> npt.NDArray[np.int64]:
    """Returns the sum of the weights of the first n items for each n, [N + 1]."""
    sums, total = Writer(np.int64), np.zeros(1, np.int64)
    sums.append(total)
    for rows in blocks(len(item_index)):
        ends = total + np.cumsum(weights[item_index[rows]])
        sums.append(ends)
        total = ends[-1:]
    return sums.array()


def _search(ends: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Returns, for each place, how many of the sorted ends are at or before it."""
    found = tf.searchsorted(
        ends, tf.reshape(places, [-1]), side="right", out_type=tf.int64
    )
    return tf.reshape(found, tf.shape(places))
