"""Learns every next item of a history in one pass.

Kang and McAuley 2018 (https://arxiv.org/abs/1808.09781), section 3.5: the model's state
after each item is compared with the item that followed. The other candidates are the
same for a whole batch, so that one matrix product scores them: the catalogue, or items
drawn from it (Klenitskiy and Vasilev 2023, https://arxiv.org/abs/2309.07602).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.sequence import CausalConfig
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings, Stars
from trainer_modules.protocols import Causal
from trainer_modules.tasks.catalogue_softmax import summed_logsumexp
from trainer_modules.tasks.losses import IMPOSSIBLE, LossFunction
from trainer_modules.tasks.task import Batch, TrainingSet, relative, shuffled_batches

OTHERS = "other_items"  # in a batch: the candidates that all its positions share


def training_set(
    data: Data, ratings: Ratings, config: CausalConfig, seed: int
) -> TrainingSet:
    """Returns batches of pieces of histories, with the item that follows each item.

    A batch has the columns of ``pieces``, where ``item_index`` is 0 for items that were
    not liked; and ``other_items`` [B, N], whose rows are equal, as replicas divide a
    batch by its rows.

    Raises:
        ValueError: If no user liked a later rating than the first.
    """
    columns = pieces(ratings, config.max_history_length, data.weights(ratings))
    is_target = columns[f.LABEL] == f.LIKED
    columns[f.ITEM_INDEX] = np.where(is_target, columns[f.ITEM_INDEX], f.PADDING_INDEX)
    num_targets = np.count_nonzero(is_target)
    if not num_targets:
        raise ValueError(
            "no user has a positive after the first rating, so that there is no next "
            "item to learn: lower label.threshold"
        )
    if f.WEIGHT in columns:
        weight = np.zeros(is_target.shape, np.float32)
        weight[is_target] = relative(columns[f.WEIGHT][is_target])
        columns[f.WEIGHT] = weight
    constants = {name: tf.constant(column) for name, column in columns.items()}
    num_items, num_drawn = data.sizes.num_items, config.num_negatives
    catalogue = tf.range(f.UNKNOWN_INDEX, num_items)
    is_drawn = num_drawn < len(catalogue)

    def others(step: tf.Tensor) -> tf.Tensor:
        if not is_drawn:
            return catalogue
        return tf.random.stateless_uniform(
            [num_drawn], [seed + 1, step], f.UNKNOWN_INDEX, num_items, tf.int32
        )

    def make(step: tf.Tensor, rows: tf.Tensor, batch_size: int) -> Batch:
        batch = {name: tf.gather(column, rows) for name, column in constants.items()}
        return batch | {OTHERS: tf.tile([others(step)], [batch_size, 1])}

    by_softmax = config.loss == "softmax" and not is_drawn
    num_pieces = len(is_target)
    batches_from, steps, batch_size = shuffled_batches(
        num_pieces, config.batch_size, seed, make
    )
    return TrainingSet(
        batches_from,
        steps,
        batch_size,
        num_candidates=config.max_history_length,
        losses=softmax_over_catalogue if by_softmax else losses_of_next_items,
        losses_per_row=num_targets / num_pieces,
    )


def pieces(
    ratings: Ratings, length: int, weight: Stars | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Cuts each user's ratings, in the order of time, into pieces of a fixed length.

    Every rating but a user's first is the target of one position. The newest piece is
    full if the user has rated enough; the oldest may be shorter.

    Args:
        ratings: The ratings, grouped by user.
        length: L, number of positions in a piece.
        weight: How much each rating counts, [N]; None if all count alike.

    Returns:
        ``history_item_index``, the items at the positions; ``history_timestamp``, when
        they were rated, if that was read; ``item_index``, the items after them; and
        ``label``, whether those were liked (1 or 0); and their ``weight``, if there
        are weights. All are [P, L], padded with 0 in front.
    """
    ends = np.flatnonzero(np.diff(ratings.user_index, append=f.PADDING_INDEX)) + 1
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    counts = -(-(ends - starts - 1) // length)  # pieces of each user
    user = np.repeat(np.arange(len(ends)), counts)
    number = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
    # Position of the last target of each piece, counted back from the newest.
    last = (ends[user] - 1 - number * length).astype(np.int32)
    back = np.arange(length, dtype=np.int32)[::-1]
    place = last[:, np.newaxis] - back  # of the targets, [P, L]
    is_real = place > starts[user][:, np.newaxis]
    before, at = np.maximum(place - 1, 0), np.maximum(place, 0)

    def cut(column: npt.NDArray[Any], where: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
        return np.where(is_real, column[where], np.zeros([], column.dtype))

    cuts = {
        f.HISTORY_ITEM_INDEX: cut(ratings.item_index, before),
        f.ITEM_INDEX: cut(ratings.item_index, at),
        f.LABEL: cut((ratings.label == f.LIKED).astype(np.int32), at),
    }
    if ratings.timestamp is not None:
        cuts[f.HISTORY_TIMESTAMP] = cut(ratings.timestamp, before)
    if weight is not None:
        cuts[f.WEIGHT] = cut(weight, at)
    return cuts


def softmax_over_catalogue(
    model: Causal, batch: Batch, loss: LossFunction
) -> tf.Tensor:
    """Returns the sum of the cross-entropies of a batch's targets, a scalar.

    Args:
        model: The model.
        batch: A batch whose other candidates are the whole catalogue.
        loss: Not called: its scores would not fit the cache (``catalogue_softmax``).
    """
    target, catalogue = batch[f.ITEM_INDEX], batch[OTHERS][0]  # [B, L], [N]
    weight = tf.cast(target != f.PADDING_INDEX, tf.float32)
    if f.WEIGHT in batch:
        weight *= tf.cast(batch[f.WEIGHT], tf.float32)
    state = model.states(batch, training=True)  # [B, L, D]
    positive = tf.reduce_sum(state * model.items(target), 2)
    every = summed_logsumexp(
        tf.reshape(state, [-1, state.shape[2]]),
        model.items(catalogue),
        tf.reshape(weight, [-1]),
    )
    return every - tf.reduce_sum(weight * tf.cast(positive, tf.float32))


def losses_of_next_items(model: Causal, batch: Batch, loss: LossFunction) -> tf.Tensor:
    """Returns a loss for each of the T targets of a batch, [T].

    Positions without a target, which are two in five of MovieLens 1M's, are not scored.
    An other candidate that is the target itself is as good as excluded.
    """
    target, others = batch[f.ITEM_INDEX], batch[OTHERS][0]  # [B, L], [N]
    state = model.states(batch, training=True)  # [B, L, D]
    positive = tf.reduce_sum(state * model.items(target), 2)  # [B, L]
    # The targets' vectors are looked up before their number varies: replicas cannot
    # join the gradients of a table if their shapes change between steps.
    has_target = tf.where(target != f.PADDING_INDEX)  # [T, 2]
    target, positive, state = (
        tf.gather_nd(value, has_target) for value in (target, positive, state)
    )
    other = tf.matmul(state, model.items(others), transpose_b=True)  # [T, N]
    other = tf.where(
        target[:, tf.newaxis] == others, IMPOSSIBLE, tf.cast(other, tf.float32)
    )
    losses = loss(tf.cast(positive, tf.float32), other)
    if f.WEIGHT not in batch:
        return losses
    return losses * tf.cast(tf.gather_nd(batch[f.WEIGHT], has_target), tf.float32)
