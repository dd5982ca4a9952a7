"""Learns what a user likes, against what the other pairs of the batch consist of.

Yi, Yang, Hong, Cheng, Heldt, Kumthekar, Zhao, Wei, Chi: "Sampling-Bias-Corrected Neural
Modeling for Large Corpus Item Recommendations", RecSys 2019,
https://doi.org/10.1145/3298689.3346996, section 3: a softmax over the items of a batch.
An item is in a batch as often as it is liked, for which its score is corrected by the
logarithm of that share (logQ). The shares are counted rather than estimated from a
stream, the paper's section 4.
"""

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.disk_arrays import counts, tensor
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.tasks.losses import IMPOSSIBLE, LossFunction
from trainer_modules.tasks.task import (
    Batch,
    TrainingSet,
    liked_pairs,
    relative,
    shuffled_batches,
    user_features,
)

LEAST_ROWS = 32  # of a batch: a like that is alone in it teaches nothing
LOG_SHARE = "log_share"  # in a batch: logarithm of the item's share of the likes
PLACE = "place"  # in a batch: number of the row, from 0


def training_set(
    data: Data, ratings: Ratings, config: GradientConfig, seed: int
) -> TrainingSet:
    """Returns batches of liked pairs, with the ``log_share`` of each item [B].

    Items without a row of their own are left out: together, they would count as one
    popular item.

    Raises:
        ValueError: If no rating of an item with a row is a like.
    """
    ratings = ratings.where(ratings.item_index != f.UNKNOWN_INDEX)
    likes, _, context = liked_pairs(data, ratings)
    num_likes = len(likes.item_index)
    count = counts(likes.item_index, data.sizes.num_items)
    log_share = np.log(np.maximum(count, 1) / num_likes).astype(np.float32)
    weights = {}
    if likes.weight is not None:
        weights[f.WEIGHT] = tensor(relative(likes.weight))
    users, items = tensor(likes.user_index), tensor(likes.item_index)
    fields = data.user_fields

    def make(step: tf.Tensor, rows: tf.Tensor, batch_size: int) -> Batch:
        hide = tf.random.stateless_uniform([batch_size], seed=[seed + 1, step])
        item = tf.gather(items, rows)
        return {
            **user_features(tf.gather(users, rows), fields, hide),
            f.ITEM_INDEX: item[:, tf.newaxis],
            LOG_SHARE: tf.gather(log_share, item),
            **{name: tf.gather(weight, rows) for name, weight in weights.items()},
            **context(rows),
            f.LABEL: tf.ones([batch_size, 1]),
            PLACE: tf.range(batch_size),
        }

    batches_from, steps, batch_size = shuffled_batches(
        num_likes, config.batch_size, seed, make, LEAST_ROWS
    )
    return TrainingSet(batches_from, steps, batch_size, 1, losses_in_batch)


def losses_in_batch(
    model: tf.keras.Model, batch: Batch, loss: LossFunction
) -> tf.Tensor:
    """Returns the loss of each liked item among the items of the batch, [R].

    A copy of the item that another user likes is not compared with it. Replicas divide
    a batch of B rows, and each has R of them, but compares them with all its items.
    """
    apart = (f.LABEL, f.WEIGHT, LOG_SHARE, PLACE)
    features = {name: value for name, value in batch.items() if name not in apart}
    item = batch[f.ITEM_INDEX]  # [R, 1]
    items = tf.transpose(_of_all_replicas(item))  # [1, B]
    score = model({**features, f.ITEM_INDEX: items}, training=True)  # [R, B]
    score = tf.cast(score, tf.float32) - _of_all_replicas(batch[LOG_SHARE])
    others = tf.where(item == items, IMPOSSIBLE, score)
    losses = loss(tf.linalg.diag_part(score, k=batch[PLACE][0]), others)
    return losses * batch[f.WEIGHT] if f.WEIGHT in batch else losses


def _of_all_replicas(column: tf.Tensor) -> tf.Tensor:
    """Returns the column [B, ...] of the whole batch for some of its rows."""
    replica = tf.distribute.get_replica_context()  # None outside of a training step
    if replica is None or replica.num_replicas_in_sync == 1:
        return column
    # TensorFlow looks for the device of the tensor, which an input of the step lacks.
    return replica.all_gather(tf.identity(column), axis=0)
