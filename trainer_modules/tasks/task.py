"""What all tasks share: shuffled batches, and a step of gradient descent."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.interactions import Indices, Interactions, Stars
from trainer_modules.sizes import Table
from trainer_modules.tasks.losses import LossFunction
from trainer_modules.tasks.negatives import negative_sampler

MIN_STEPS = 100  # in an epoch: little data is worth smaller steps, and more of them
UNKNOWN_USER_RATE = 0.01  # of the pairs train the row that new users are scored with

Batch = dict[str, tf.Tensor]
OptimizedVariables = tuple[tf.keras.optimizers.Optimizer, Sequence[tf.Variable]]


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """Batches for one task.

    Attributes:
        batches: Endless; what the model reads, with ``item_index`` [B, C], and
            ``label`` [B, C], which the loss compares its scores with.
        steps: Batches in an epoch.
        batch_size: B.
        num_candidates: C.
    """

    batches: tf.data.Dataset
    steps: int
    batch_size: int
    num_candidates: int

    @property
    def pairs(self) -> int:
        """Of user and item, through the model in an epoch."""
        return self.steps * self.batch_size * self.num_candidates


@dataclasses.dataclass(frozen=True)
class Pairs:
    """What each batch's first column is taken from.

    Attributes:
        user_index: [N].
        item_index: [N].
        target: [N] what the score should be near: stars, or 1 or 0.
    """

    user_index: Indices
    item_index: Indices
    target: Stars


def beside_negatives(
    pairs: Pairs,
    known: Interactions,
    fields: Mapping[str, Table],
    config: GradientConfig,
    seed: int,
    more: Callable[[tf.Tensor], Batch] = lambda rows: {},
) -> TrainingSet:
    """Pairs in the first column, and items drawn for their users, labelled 0, beside.

    Args:
        pairs: N of them.
        known: What is never drawn.
        fields: Side features of all users, [num_users, L] each.
        config: How many are drawn, and how; the size of a batch.
        seed: Of the order and of what is drawn.
        more: Rows [B] of the pairs → what else a model reads of them.
    """
    num_negatives = config.num_negatives
    user_index = tf.constant(pairs.user_index)
    item_index, target = tf.constant(pairs.item_index), tf.constant(pairs.target)
    draw = negative_sampler(known, config.negative_power) if num_negatives else None

    def make(step: tf.Tensor, rows: tf.Tensor, batch_size: int) -> Batch:
        user = tf.gather(user_index, rows)  # [B]
        item = tf.gather(item_index, rows)[:, tf.newaxis]  # [B, 1]
        label = tf.gather(target, rows)[:, tf.newaxis]  # [B, 1]
        uniform = tf.random.stateless_uniform(
            [batch_size, num_negatives + 1], seed=[seed + 1, step]
        )
        if draw:
            item = tf.concat([item, draw(user, uniform[:, 1:])], 1)
        return {
            **user_features(user, fields, hide=uniform[:, 0]),
            **more(rows),
            f.ITEM_INDEX: item,
            f.LABEL: tf.pad(label, [[0, 0], [0, num_negatives]]),
        }

    return TrainingSet(
        *shuffled_batches(len(pairs.user_index), config.batch_size, seed, make),
        num_candidates=1 + num_negatives,
    )


def shuffled_batches(
    num_rows: int,
    batch_size: int,
    seed: int,
    make: Callable[[tf.Tensor, tf.Tensor, int], Batch],
) -> tuple[tf.data.Dataset, int, int]:
    """Batches of rows, each row once in an epoch, in another order each time.

    The same seed gives the same batches, however many replicas share them. Rows that do
    not fill a last batch are left to the next epoch's shuffle.

    Args:
        num_rows: N.
        batch_size: At most; less where that would make fewer than ``MIN_STEPS``.
        seed: Of the order.
        make: (step, rows [B], B) → a batch.

    Returns:
        The endless dataset, its batches in an epoch, and B.
    """
    batch_size = max(1, min(batch_size, num_rows // MIN_STEPS))
    num_batches = num_rows // batch_size

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(num_rows), seed=[seed, number]
        )
        rows = tf.reshape(order[: num_batches * batch_size], [num_batches, batch_size])
        return tf.data.Dataset.from_tensor_slices(rows)

    batches = tf.data.Dataset.counter().flat_map(epoch).enumerate()
    batches = batches.map(
        lambda step, rows: make(step, rows, batch_size),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return batches.prefetch(2), num_batches, batch_size


def user_features(
    user: tf.Tensor, fields: Mapping[str, Table], hide: tf.Tensor
) -> Batch:
    """What a model reads of users [B], their ids hidden from it where told.

    Args:
        user: [B] indices.
        fields: Side features of all users, [num_users, L] each.
        hide: [B] uniform numbers in [0, 1); the lowest ``UNKNOWN_USER_RATE`` are
            hidden.
    """
    shown = tf.where(hide < UNKNOWN_USER_RATE, f.UNKNOWN_INDEX, user)
    values = {name: tf.gather(table, user) for name, table in fields.items()}
    return {f.USER_INDEX: shown, **values}


class Trainee(tf.keras.Model):
    """Trains a scoring model; batches are those of a ``TrainingSet``.

    Compiled with a list: the model's optimizer, then one for each part with its own.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        loss: LossFunction,
        batch_size: int,
        parts: Sequence[tf.keras.layers.Layer] = (),
    ):
        """Wraps a model.

        Args:
            model: Scores [B, C] from features.
            loss: (scores [B, C], labels [B, C]) → [B, ...]; its mean is minimised.
            batch_size: Rows of a batch over all replicas.
            parts: Layers of the model with an optimizer of their own.
        """
        super().__init__()
        self.model = model
        self.loss_function = loss
        self.batch_size = batch_size
        self.parts = list(parts)
        self.loss_mean = tf.keras.metrics.Mean("loss")

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One step."""
        label = batch.pop(f.LABEL)
        with tf.GradientTape(persistent=True) as tape:  # each optimizer asks it
            scores = self.model(batch, training=True)  # [B of the replica, C]
            loss = self.loss_function(tf.cast(scores, tf.float32), label)
            # A batch that its replicas cannot share equally still has one mean.
            share = tf.reduce_sum(loss) / (
                self.batch_size * (loss.shape[1:].num_elements() or 1)
            )
            # What a model adds is a mean of the replica's rows, or of no rows at all.
            part = tf.cast(tf.shape(label)[0] / self.batch_size, tf.float32)
            replica_loss = share + part * sum(self.model.losses)
        for optimizer, variables in self._optimized():
            optimizer.minimize(replica_loss, variables, tape=tape)
        self.loss_mean.update_state(loss)
        return {"loss": self.loss_mean.result()}

    def _optimized(self) -> list[OptimizedVariables]:
        """Each optimizer with its variables; the first has those of no part."""
        of_parts = [part.trainable_variables for part in self.parts]
        taken = {variable.ref() for variables in of_parts for variable in variables}
        rest = [v for v in self.model.trainable_variables if v.ref() not in taken]
        return list(zip(self.optimizer, [rest, *of_parts], strict=True))
