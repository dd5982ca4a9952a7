"""What all tasks share: shuffled batches, and the step of gradient descent."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.devices import shared_size
from trainer_modules.disk_arrays import Array, computed, copied, reading, tensor
from trainer_modules.inputs import Data
from trainer_modules.interactions import Indices, Interactions, Ratings, Stars
from trainer_modules.layers.sharded_table import sharded_tables
from trainer_modules.sizes import Table
from trainer_modules.tasks.losses import LossFunction
from trainer_modules.tasks.negatives import negative_sampler

MIN_STEPS = 100  # per epoch; with little data, more steps of smaller batches pay off
SHUFFLED_ROWS = 1 << 24  # at once, which takes 200 MB
SHARD_ROWS = 1 << 16  # consecutive rows; about one in 256 of those shuffled at once
UNKNOWN_USER_RATE = 0.01  # share of pairs that train the row that scores new users

shuffled = tf.random.experimental.stateless_shuffle

Batch = dict[str, tf.Tensor]
OptimizedVariables = tuple[tf.keras.optimizers.Optimizer, Sequence[tf.Variable]]


def losses_of_rows(
    model: tf.keras.Model, batch: Batch, loss: LossFunction
) -> tf.Tensor:
    """Returns the losses [B, ...] of the scores [B, C] of each row's candidates."""
    apart = (f.LABEL, f.WEIGHT)
    features = {name: value for name, value in batch.items() if name not in apart}
    score = model(features, training=True)
    losses = loss(tf.cast(score, tf.float32), batch[f.LABEL])
    if f.WEIGHT not in batch:
        return losses
    return losses * tf.reshape(batch[f.WEIGHT], [-1] + [1] * (losses.shape.rank - 1))


def relative(weight: Stars, counted: npt.NDArray[np.bool_] | None = None) -> Stars:
    """Returns weights [N] divided by their mean: learning rates keep their meaning.

    Args:
        weight: The weights.
        counted: Which ones, [N], the mean is of; None for all.
    """
    mean = weight.mean(dtype=np.float64, where=True if counted is None else counted)
    return computed(lambda rows: weight[rows] / mean, len(weight), np.float32)


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """Batches for one task.

    Attributes:
        batches_from: Returns the endless batches from a step on, counted from 0: the
            features that the model reads, with ``item_index`` [B, C], ``label`` [B, C],
            the targets of the loss, and ``weight`` [B] if rows differ in how much their
            losses count.
        steps: Number of batches in an epoch.
        batch_size: B, number of users in a batch.
        num_candidates: C, number of items for each of them.
        losses: Returns the model's losses of a batch by a loss function; their mean is
            minimised.
        losses_per_row: Mean number of losses of a row, by which their sum is divided;
            None if every batch has as many.
    """

    batches_from: Callable[[int], tf.data.Dataset]
    steps: int
    batch_size: int
    num_candidates: int
    losses: Callable[[Any, Batch, LossFunction], tf.Tensor] = losses_of_rows
    losses_per_row: float | None = None

    @property
    def batches(self) -> tf.data.Dataset:
        """All batches."""
        return self.batches_from(0)

    @property
    def pairs(self) -> int:
        """Number of pairs of user and item that an epoch scores."""
        return self.steps * self.batch_size * self.num_candidates


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The pairs from which the first column of the batches is taken.

    Attributes:
        user_index: Indices of the users, [N].
        item_index: Indices of the items, [N].
        target: What the scores should approach, [N]: stars, or 1 or 0; None for 1.
        weight: How much each pair counts, [N]; None if all count alike.
    """

    user_index: Indices
    item_index: Indices
    target: Stars | None = None
    weight: Stars | None = None


def liked_pairs(
    data: Data, ratings: Ratings
) -> tuple[Pairs, Interactions, Callable[[tf.Tensor], Batch]]:
    """Returns the pairs to learn from likes alone, with the target 1.

    If the model reads the context of a rating, each like of a pair counts on its own,
    in its own context; otherwise, each pair is there once.

    Args:
        data: What the Trainer was given.
        ratings: The ratings.

    Returns:
        The pairs, the distinct ones, and a function of the rows [B] of the pairs that
        returns their context.

    Raises:
        ValueError: If no rating is a like.
    """
    liked = ratings.where(ratings.liked())
    distinct = data.interactions(liked)
    each: Ratings | Interactions = liked if data.context else distinct
    weight = data.weights(liked) if data.context else distinct.weight
    pairs = Pairs(each.user_index, each.item_index, weight=weight)
    return pairs, distinct, data.context_of(liked)


def beside_negatives(
    pairs: Pairs,
    known: Interactions,
    fields: Mapping[str, Table],
    config: GradientConfig,
    seed: int,
    more: Callable[[tf.Tensor], Batch] = lambda rows: {},
) -> TrainingSet:
    """Returns batches of pairs, beside items that are drawn for their users.

    The first column has the pairs, and the others the drawn items with the label 0.

    Args:
        pairs: N pairs.
        known: Pairs that are never drawn.
        fields: Side features of all users, [num_users, L] each.
        config: Batch size, and the number and distribution of drawn items.
        seed: Seed of the order and of the draws.
        more: Returns further features for rows [B] of the pairs.
    """
    num_negatives = config.num_negatives
    draw = negative_sampler(known, config.negative_power) if num_negatives else None
    user_index = tensor(pairs.user_index)
    item_index = tensor(pairs.item_index)
    target = None if pairs.target is None else tensor(pairs.target)
    weights = {}
    if pairs.weight is not None:
        weights[f.WEIGHT] = tensor(relative(pairs.weight))

    def make(step: tf.Tensor, rows: tf.Tensor, batch_size: int) -> Batch:
        user = tf.gather(user_index, rows)  # [B]
        item = tf.gather(item_index, rows)[:, tf.newaxis]  # [B, 1]
        label = tf.ones([batch_size]) if target is None else tf.gather(target, rows)
        uniform = tf.random.stateless_uniform(
            [batch_size, num_negatives + 1], seed=[seed + 1, step]
        )
        if draw:
            item = tf.concat([item, draw(user, uniform[:, 1:])], 1)
        return {
            **user_features(user, fields, hide=uniform[:, 0]),
            **more(rows),
            f.ITEM_INDEX: item,
            f.LABEL: tf.pad(label[:, tf.newaxis], [[0, 0], [0, num_negatives]]),
            **{name: tf.gather(weight, rows) for name, weight in weights.items()},
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
    least: int = 1,
) -> tuple[Callable[[int], tf.data.Dataset], int, int]:
    """Returns batches that contain each row once per epoch, in a new order each time.

    The same seed gives the same batches, however many replicas share them. Rows that do
    not fill a last batch are left out of that epoch.

    Up to ``SHUFFLED_ROWS`` are all shuffled at once. More are divided into shards, each
    epoch puts other shards together, and shuffles as many rows as that at once. Without
    a whole order, there is no bound on the rows; and what is read of a column at about
    the same time is in a part of its file, which memory holds.

    Args:
        num_rows: N, number of rows.
        batch_size: The largest batch size; less is used to reach ``MIN_STEPS``.
        seed: Seed of the order.
        make: Makes a batch from the step, row numbers [B] and B.
        least: The smallest batch size, where there are as many rows.

    Returns:
        A function of a step, from 0, that returns the endless batches from there on;
        the number of batches in an epoch; and B.
    """
    least = min(least, batch_size, num_rows)
    batch_size = shared_size(max(least, min(batch_size, num_rows // MIN_STEPS)))
    num_batches = num_rows // batch_size
    shard_rows = max(1, SHARD_ROWS // batch_size) * batch_size
    num_shards = -(-num_rows // shard_rows)
    at_once = num_shards  # shards that are shuffled into each other
    if num_rows > SHUFFLED_ROWS:
        at_once = max(1, SHUFFLED_ROWS // shard_rows)
    num_parts = -(-num_shards // at_once)

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        shards = shuffled(tf.range(num_shards), [seed, number])

        def part(part_number: tf.Tensor) -> tf.data.Dataset:
            begin = part_number * at_once
            # In order, so that a single part has its rows in order, too.
            chosen = tf.sort(shards[begin : begin + at_once])[:, tf.newaxis]
            rows = tf.reshape(chosen * shard_rows + tf.range(shard_rows), [-1])
            # The last shard may be shorter than the others.
            rows = rows[: tf.size(rows) - tf.maximum(rows[-1] + 1 - num_rows, 0)]
            rows = shuffled(rows, [seed, number * num_parts + part_number])
            whole = tf.size(rows) // batch_size
            return tf.data.Dataset.from_tensor_slices(
                tf.reshape(rows[: whole * batch_size], [whole, batch_size])
            )

        return tf.data.Dataset.range(num_parts).flat_map(part)

    def batches_from(step: int) -> tf.data.Dataset:
        first_epoch, done = divmod(step, num_batches)
        batches = tf.data.Dataset.counter(first_epoch).flat_map(epoch).skip(done)
        return reading(
            batches.enumerate(step)
            .map(
                lambda step, rows: make(step, rows, batch_size),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            .prefetch(2)
        )

    return batches_from, num_batches, batch_size


def user_features(
    user: tf.Tensor, fields: Mapping[str, Table], hide: tf.Tensor
) -> Batch:
    """Returns the features of users, with some of their ids hidden.

    Args:
        user: Indices of the users, [B].
        fields: Side features of all users, [num_users, L] each.
        hide: Uniform numbers in [0, 1), [B]; below ``UNKNOWN_USER_RATE``, the user's
            index becomes that of the unknown user.
    """
    shown = tf.where(hide < UNKNOWN_USER_RATE, f.UNKNOWN_INDEX, user)
    values = {name: tf.gather(table, user) for name, table in fields.items()}
    return {f.USER_INDEX: shown, **values}


class Trainee(tf.keras.Model):
    """Trains a scoring model on the batches of a ``TrainingSet``.

    It is compiled with a list of optimizers: one for the model, then one for each part
    that is optimized apart.

    Attributes:
        steps_done: Number of steps after which ``fit`` begins: 0, unless the training
            goes on from a checkpoint.
    """

    steps_done = 0

    def __init__(
        self,
        model: tf.keras.Model,
        loss: LossFunction,
        training_set: TrainingSet,
        parts: Sequence[tf.keras.layers.Layer] = (),
        learning_rate: Callable[[tf.Variable], tf.Tensor] | None = None,
    ):
        """Wraps a model.

        Args:
            model: Returns scores [B, C] for features.
            loss: The loss function.
            training_set: The batches that it will be fitted to.
            parts: Layers of the model that have an optimizer of their own.
            learning_rate: That of sharded tables, after so many steps; None without
                such tables.
        """
        super().__init__()
        self.model = model
        self.loss_function = loss
        self.training_set = training_set
        self.parts = list(parts)
        self.sharded, self.learning_rate = sharded_tables(model), learning_rate
        self.loss_mean = tf.keras.metrics.Mean("loss")

    def create_variables(self) -> None:
        """Creates the variables of the model and of the optimizers.

        If the first training step created them, TensorFlow would trace it twice.
        """
        padding = tf.nest.map_structure(
            lambda spec: tf.zeros([size or 1 for size in spec.shape], spec.dtype),
            self.training_set.batches.element_spec,
        )
        self.training_set.losses(self.model, padding, self.loss_function)
        for optimizer, variables in self._optimized():
            optimizer.build(variables)

    # AutoGraph would take longer to convert the code than tracing takes.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Takes one step of every optimizer and returns the mean loss so far."""
        batch_size = self.training_set.batch_size
        with tf.GradientTape(persistent=True) as tape:  # one gradient per optimizer
            loss = self.training_set.losses(self.model, batch, self.loss_function)
            per_row = self.training_set.losses_per_row or loss.shape[1:].num_elements()
            # Replicas may have unequal shares of a batch; each divides by the whole.
            share = tf.reduce_sum(loss) / (batch_size * (per_row or 1))
            # Losses that layers add are means over the rows of this replica.
            part = tf.cast(tf.shape(batch[f.LABEL])[0] / batch_size, tf.float32)
            replica_loss = share + part * sum(self.model.losses)
        for table in self.sharded:
            assert self.learning_rate
            rate = self.learning_rate(self.optimizer[0].iterations)
            table.learn(tape.gradient(replica_loss, table.shard), rate)
        for optimizer, variables in self._optimized():
            optimizer.minimize(replica_loss, variables, tape=tape)
        self.loss_mean.update_state(share / part, part)
        return {"loss": self.loss_mean.result()}

    def get_weights(self) -> list[Array]:
        """Returns the weights, large ones in files: Keras keeps those of an epoch."""
        return [copied(weight) for weight in self.weights]

    def _maybe_load_initial_counters_from_ckpt(
        self, steps_per_epoch: int, initial_epoch: int
    ) -> tuple[int, int]:
        """Returns where ``fit`` begins, for Keras: the epoch, and the step in it."""
        return divmod(self.steps_done, steps_per_epoch)

    def _optimized(self) -> list[OptimizedVariables]:
        """Returns each optimizer with its variables; the first has all other ones.

        Sharded tables have none.
        """
        taken = {table.shard.ref() for table in self.sharded}
        apart = [
            [v for v in part.trainable_variables if v.ref() not in taken]
            for part in self.parts
        ]
        taken |= {variable.ref() for variables in apart for variable in variables}
        rest = [v for v in self.model.trainable_variables if v.ref() not in taken]
        return list(zip(self.optimizer, [rest, *apart], strict=True))
