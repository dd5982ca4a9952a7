"""Learning what a user likes next, from what came right before it.

Kang and McAuley 2018 (https://arxiv.org/abs/1808.09781), section 3.1: each place of a
user's history is a sample, with what came earlier as its history. Here places are
shuffled, so that a batch holds windows of many users.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.sequence import SequenceConfig
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.tasks.task import Batch, Pairs, TrainingSet, beside_negatives


def training_set(
    data: Data, ratings: Ratings, config: SequenceConfig, seed: int
) -> TrainingSet:
    """What was liked in the first column of each batch, drawn items in the others.

    Beside them ``history_item_index`` [B, L]: the last L items that the user rated
    before it, liked or not, oldest first, padded with 0 at the end. Drawn items are
    never one that the user has rated.

    Raises:
        ValueError: If nothing was liked.
    """
    places = ratings.liked()
    liked = ratings.where(places)
    window = windows(ratings, config.max_history_length)
    place = tf.constant(places)

    def history(rows: tf.Tensor) -> Batch:
        return {f.HISTORY_ITEM_INDEX: window(tf.gather(place, rows))}

    return beside_negatives(
        Pairs(liked.user_index, liked.item_index, np.ones(len(liked), np.float32)),
        data.interactions(ratings),
        data.user_fields,
        config,
        seed,
        history,
    )


def windows(ratings: Ratings, length: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function that looks back from a place in the log.

    Args:
        ratings: [N]; each user's are together, in the order of time.
        length: L.

    Returns:
        Places [B] in the log → [B, L] indices of the items that the place's user rated
        right before it, oldest first, padded with 0 at the end.
    """
    # A user's first rating is where the user changes.
    changes = np.diff(ratings.user_index, prepend=f.PADDING_INDEX) != 0
    first = np.maximum.accumulate(np.where(changes, np.arange(len(ratings)), 0))
    earlier = tf.constant(np.minimum(np.arange(len(ratings)) - first, length))
    item_index = tf.constant(ratings.item_index)

    def window(place: tf.Tensor) -> tf.Tensor:
        count = tf.gather(earlier, place)[:, tf.newaxis]  # [B, 1]
        column = tf.range(length, dtype=tf.int64)
        # What lies behind the window is read and thrown away; the place is real.
        look = tf.minimum(place[:, tf.newaxis] - count + column, place[:, tf.newaxis])
        item = tf.gather(item_index, look)
        return tf.where(column < count, item, f.PADDING_INDEX)

    return window
