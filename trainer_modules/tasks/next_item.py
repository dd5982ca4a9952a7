"""Learning what a user likes next, from what came right before it.

Kang and McAuley 2018 (https://arxiv.org/abs/1808.09781), section 3.1: each place of a
user's history is a sample, with what came earlier as its history. Here places are
shuffled, so that a batch holds windows of many users.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs import SequenceConfig
from trainer_modules.inputs import Data, read_ratings, read_user_fields
from trainer_modules.interactions import Interactions, Ratings
from trainer_modules.tasks.negatives import negative_sampler
from trainer_modules.tasks.task import (
    Batch,
    TrainingSet,
    shuffled_batches,
    user_features,
)


def training_set(data: Data, config: SequenceConfig, seed: int) -> TrainingSet:
    """What was liked in the first column of each batch, drawn items in the others.

    Beside them ``history_item_index`` [B, L]: the last L items that the user rated
    before it, liked or not, oldest first, padded with 0 at the end. Drawn items are
    never one that the user has rated.

    Raises:
      ValueError: if nothing was liked.
    """
    ratings = read_ratings(data, data.train_files)
    rated = Interactions.of(
        ratings.user_index,
        ratings.item_index,
        data.sizes.num_users,
        data.sizes.num_items,
    )
    liked = tf.where(ratings.label == f.LIKED)[:, 0]  # [N] places in the log
    if not len(liked):
        raise ValueError(
            "no positive among the training ratings in "
            f"{', '.join(data.train_files)}: lower label.threshold"
        )
    fields = read_user_fields(data)
    user_index = tf.constant(ratings.user_index)
    item_index = tf.constant(ratings.item_index)
    window = windows(ratings, config.max_history_length)
    draw = negative_sampler(rated, config.negative_power)
    num_negatives = config.num_negatives

    def make(step: tf.Tensor, rows: tf.Tensor, batch_size: int) -> Batch:
        place = tf.gather(liked, rows)  # [B]
        user = tf.gather(user_index, place)  # [B]
        positive = tf.gather(item_index, place)[:, tf.newaxis]  # [B, 1]
        uniform = tf.random.stateless_uniform(
            [batch_size, num_negatives + 1], seed=[seed + 1, step]
        )
        label = tf.one_hot(tf.zeros([batch_size], tf.int32), 1 + num_negatives)
        return user_features(user, fields, hide=uniform[:, 0]) | {
            f.HISTORY_ITEM_INDEX: window(place),
            f.ITEM_INDEX: tf.concat([positive, draw(user, uniform[:, 1:])], 1),
            f.LABEL: label,
        }

    return TrainingSet(
        *shuffled_batches(len(liked), config.batch_size, seed, make),
        num_candidates=1 + num_negatives,
    )


def windows(ratings: Ratings, length: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function that looks back from a place in the log.

    Args:
      ratings: [N]; each user's are together, in the order of time.
      length: L.

    Returns:
      places [B] in the log → [B, L] indices of the items that the place's user rated
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
