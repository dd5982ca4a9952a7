"""Learning to tell what a user liked from items drawn at random.

He et al. 2017, equation 7: binary cross-entropy over each positive and its negatives,
which are drawn anew in every epoch, in the graph, and are never a known positive.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.interactions import Interactions

MIN_STEPS = 100  # in an epoch: little data is worth smaller steps, and more of them
UNKNOWN_USER_RATE = 0.01  # of the pairs train the row that new users are scored with


class Retrieval(tf.keras.Model):
    """Trains a scoring model; batches are those of ``training_batches``."""

    def __init__(self, model: tf.keras.Model, batch_size: int):
        """Wraps a model for batches that have ``batch_size`` rows over all replicas."""
        super().__init__()
        self.model = model
        self.batch_size = batch_size
        self.loss_mean = tf.keras.metrics.Mean("loss")

    def train_step(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step over [B, 1 + negatives] candidates, the positive in front."""
        with tf.GradientTape() as tape:
            logits = self.model(features, training=True)  # [B of the replica, C]
            loss = _cross_entropy(logits)
            # A batch that its replicas cannot share equally still has one mean.
            share = tf.reduce_sum(loss) / (self.batch_size * logits.shape[1])
            decay = (
                sum(self.model.losses) / self.distribute_strategy.num_replicas_in_sync
            )
            replica_loss = share + decay
        self.optimizer.minimize(replica_loss, self.model.trainable_variables, tape=tape)
        self.loss_mean.update_state(loss)
        return {"loss": self.loss_mean.result()}


def _cross_entropy(logits: tf.Tensor) -> tf.Tensor:
    """The loss of logits [B, C] whose first column is the positive one."""
    positive = tf.nn.softplus(-logits[:, :1])
    negative = tf.nn.softplus(logits[:, 1:])
    return tf.concat([positive, negative], 1)


def training_batches(
    interactions: Interactions, batch_size: int, num_negatives: int, seed: int
) -> tuple[tf.data.Dataset, int]:
    """Shuffled positives with their negatives, endless.

    The same seed gives the same batches, however many replicas share them. Positives
    that do not fill a last batch are left to the next epoch's shuffle.

    Returns:
      The dataset of ``user_index`` [B] and ``item_index`` [B, 1 + num_negatives], and
      the number of its batches in an epoch. B is ``batch_size``, or less where that
      would make fewer than ``MIN_STEPS``.
    """
    batch_size = max(1, min(batch_size, len(interactions) // MIN_STEPS))
    num_batches = len(interactions) // batch_size
    user_index = tf.constant(interactions.user_index)
    item_index = tf.constant(interactions.item_index)
    draw = negative_sampler(interactions)

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(interactions)), seed=[seed, number]
        )
        rows = tf.reshape(order[: num_batches * batch_size], [num_batches, batch_size])
        return tf.data.Dataset.from_tensor_slices(rows)

    def batch(step: tf.Tensor, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        user = tf.gather(user_index, rows)  # [B]
        positive = tf.gather(item_index, rows)[:, tf.newaxis]  # [B, 1]
        uniform = tf.random.stateless_uniform(
            [batch_size, num_negatives + 1], seed=[seed + 1, step]
        )
        negatives = draw(user, uniform[:, 1:])
        hidden = uniform[:, 0] < UNKNOWN_USER_RATE
        return {
            f.USER_INDEX: tf.where(hidden, f.UNKNOWN_INDEX, user),
            f.ITEM_INDEX: tf.concat([positive, negatives], 1),
        }

    batches = tf.data.Dataset.counter().flat_map(epoch).enumerate()
    batches = batches.map(batch, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(2), num_batches


def negative_sampler(
    interactions: Interactions,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Makes the function that draws items a user has no positive of.

    No draw is thrown away: of the V items, a user with n positives has V - n others,
    and the r-th of them is found by binary search. If p_0 < p_1 < ... are the
    positives, p_j - j of the others come before p_j; so item r + c is the r-th other,
    where c is the number of j with p_j - j <= r.

    Returns:
      (user_index [B], uniform [B, n] in [0, 1)) -> item_index [B, n] int32; the
      reserved padding row is never drawn, the unknown row is an item like others.
    """
    num_candidates = interactions.num_items - f.UNKNOWN_INDEX
    splits = interactions.row_splits()
    user = interactions.user_index.astype(np.int64)
    others_before = (
        interactions.item_index
        - f.UNKNOWN_INDEX
        - (np.arange(len(user)) - splits[user])
    )
    # One sorted list for all users: a user's part starts at user x num_candidates.
    keys = tf.constant(user * num_candidates + others_before)
    first = tf.constant(splits[:-1])
    num_others = tf.constant(num_candidates - np.diff(splits), tf.float32)

    def draw(user_index: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        others = tf.gather(num_others, user_index)[:, tf.newaxis]
        r = tf.cast(tf.minimum(tf.floor(uniform * others), others - 1), tf.int64)
        query = tf.cast(user_index, tf.int64)[:, tf.newaxis] * num_candidates + r
        found = tf.searchsorted(
            keys, tf.reshape(query, [-1]), side="right", out_type=tf.int64
        )
        before = (
            tf.reshape(found, tf.shape(query))
            - tf.gather(first, user_index)[:, tf.newaxis]
        )
        return tf.cast(r + before + f.UNKNOWN_INDEX, tf.int32)

    return draw
