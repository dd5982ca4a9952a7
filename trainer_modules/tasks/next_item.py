"""Learns which item a user likes next, from the items right before it.

Kang and McAuley 2018 (https://arxiv.org/abs/1808.09781), section 3.1: each position
of a user's history is a sample, with everything earlier as its history. Here positions
are shuffled, so that a batch has windows of many users.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.sequence import SequenceConfig
from trainer_modules.disk_arrays import computed, tensor
from trainer_modules.inputs import Data
from trainer_modules.interactions import Indices, Ratings
from trainer_modules.tasks.task import Batch, Pairs, TrainingSet, beside_negatives


def training_set(
    data: Data, ratings: Ratings, config: SequenceConfig, seed: int
) -> TrainingSet:
    """Returns batches with liked items in the first column, drawn ones in the others.

    They also have ``history_item_index`` [B, L]: the last L items that the user rated
    before the liked one, liked or not, oldest first, padded with 0 at the end. Items
    that the user has rated are never drawn.

    Raises:
        ValueError: If no rating is a like.
    """
    places = ratings.liked()
    liked = ratings.where(places)
    window = windows(ratings, config.max_history_length)
    place = tensor(places)

    def history(rows: tf.Tensor) -> Batch:
        return {f.HISTORY_ITEM_INDEX: window(tf.gather(place, rows))}

    return beside_negatives(
        Pairs(liked.user_index, liked.item_index, weight=data.weights(liked)),
        data.interactions(ratings),
        data.user_fields,
        config,
        seed,
        history,
    )


def windows(ratings: Ratings, length: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function that looks back from positions in the log.

    Args:
        ratings: N ratings, grouped by user and in the order of time.
        length: L, number of items to look back.

    Returns:
        A function of positions [B] that returns indices [B, L] of the items that
        the same user rated right before, oldest first, padded with 0 at the end.
    """
    firsts = ratings.firsts()

    def num_earlier(rows: slice) -> Indices:
        row = np.arange(rows.start, rows.stop)
        user = np.searchsorted(firsts, row, side="right") - 1
        return np.minimum(row - firsts[user], length).astype(np.int32)

    earlier = tensor(computed(num_earlier, len(ratings), np.int32))
    item_index = tensor(ratings.item_index)

    def window(place: tf.Tensor) -> tf.Tensor:
        place = tf.cast(place, tf.int32)[:, tf.newaxis]  # [B, 1]
        count = tf.gather(earlier, place)
        column = tf.range(length)
        # Columns behind the window are masked below, but must be valid positions.
        look = tf.minimum(place - count + column, place)
        item = tf.gather(item_index, look)
        return tf.where(column < count, item, f.PADDING_INDEX)

    return window
