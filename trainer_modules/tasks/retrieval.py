"""Learning to tell what a user liked from items drawn at random.

He et al. 2017 (https://arxiv.org/abs/1708.05031), section 3.1: each positive beside its
negatives, which are drawn anew in every epoch and are never a known positive.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs import GradientConfig
from trainer_modules.inputs import Data, read_positives, read_user_fields
from trainer_modules.tasks.negatives import negative_sampler
from trainer_modules.tasks.task import (
    Batch,
    TrainingSet,
    shuffled_batches,
    user_features,
)


def training_set(data: Data, config: GradientConfig, seed: int) -> TrainingSet:
    """Positives in the first column of each batch, their negatives in the others.

    Raises:
      ValueError: if nothing was liked.
    """
    positives = read_positives(data, data.train_files)
    fields = read_user_fields(data)
    user_index = tf.constant(positives.user_index)
    item_index = tf.constant(positives.item_index)
    draw = negative_sampler(positives, config.negative_power)
    num_negatives = config.num_negatives

    def make(step: tf.Tensor, rows: tf.Tensor, batch_size: int) -> Batch:
        user = tf.gather(user_index, rows)  # [B]
        positive = tf.gather(item_index, rows)[:, tf.newaxis]  # [B, 1]
        uniform = tf.random.stateless_uniform(
            [batch_size, num_negatives + 1], seed=[seed + 1, step]
        )
        label = tf.one_hot(tf.zeros([batch_size], tf.int32), 1 + num_negatives)
        return user_features(user, fields, hide=uniform[:, 0]) | {
            f.ITEM_INDEX: tf.concat([positive, draw(user, uniform[:, 1:])], 1),
            f.LABEL: label,
        }

    return TrainingSet(
        *shuffled_batches(len(positives), config.batch_size, seed, make),
        num_candidates=1 + num_negatives,
    )
