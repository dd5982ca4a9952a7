"""Learning from the ratings that there are: whether a user will like an item.

With ``num_negatives``, also from items that the user has not rated, as not liked.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs import GradientConfig
from trainer_modules.inputs import Data, read_ratings, read_user_fields
from trainer_modules.interactions import Interactions
from trainer_modules.tasks.negatives import negative_sampler
from trainer_modules.tasks.task import (
    Batch,
    TrainingSet,
    shuffled_batches,
    user_features,
)


def training_set(data: Data, config: GradientConfig, seed: int) -> TrainingSet:
    """Rated items in the first column, drawn ones in the others.

    The label is the one that Transform gave, or the stars where the loss is their
    squared error; a rating that is neither liked nor disliked has no label.

    Raises:
      ValueError: if no rating has a label, or all have the same and nothing is drawn.
    """
    ratings = read_ratings(data, data.train_files)
    drawn = Interactions.of(
        ratings.user_index,
        ratings.item_index,
        data.sizes.num_users,
        data.sizes.num_items,
    )
    if config.loss == "cross_entropy":
        ratings = ratings.where(ratings.label != f.NEITHER)
        if not config.num_negatives and len(set(ratings.label.tolist())) < 2:
            raise ValueError(
                "the task 'rating' learns liked from disliked, and the training "
                "ratings have not both: change label.threshold, or set num_negatives"
            )
        target = tf.constant(ratings.label, tf.float32)
    else:
        target = tf.constant(ratings.rating)
    fields = read_user_fields(data)
    user_index = tf.constant(ratings.user_index)
    item_index = tf.constant(ratings.item_index)
    num_negatives = config.num_negatives
    draw = negative_sampler(drawn, config.negative_power) if num_negatives else None

    def make(step: tf.Tensor, rows: tf.Tensor, batch_size: int) -> Batch:
        user = tf.gather(user_index, rows)  # [B]
        item = tf.gather(item_index, rows)[:, tf.newaxis]  # [B, 1]
        label = tf.gather(target, rows)[:, tf.newaxis]  # [B, 1]
        uniform = tf.random.stateless_uniform(
            [batch_size, num_negatives + 1], seed=[seed + 1, step]
        )
        if draw:
            item = tf.concat([item, draw(user, uniform[:, 1:])], 1)
            label = tf.pad(label, [[0, 0], [0, num_negatives]])
        return user_features(user, fields, hide=uniform[:, 0]) | {
            f.ITEM_INDEX: item,
            f.LABEL: label,
        }

    return TrainingSet(
        *shuffled_batches(len(ratings), config.batch_size, seed, make),
        num_candidates=1 + num_negatives,
    )
