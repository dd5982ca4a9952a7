"""Learns every next item of a history in one pass.

Kang and McAuley 2018 (https://arxiv.org/abs/1808.09781), section 3.5: the model's state
after each item is compared with the item that followed. The other candidates are the
same for a whole batch, so that one matrix product scores them: the catalogue, or items
drawn from it (Klenitskiy and Vasilev 2023, https://arxiv.org/abs/2309.07602). What a
user has rated before or after is none of them, as in their code
(https://github.com/antklen/sasrec-bert4rec-recsys23).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.sequence import CausalConfig
from trainer_modules.disk_arrays import computed, tensor
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings, Stars
from trainer_modules.protocols import Causal
from trainer_modules.tasks.catalogue_softmax import summed_logsumexp
from trainer_modules.tasks.losses import IMPOSSIBLE, LossFunction
from trainer_modules.tasks.task import Batch, TrainingSet, relative, shuffled_batches

# In a batch: the candidates that all its positions share, and which of them occur in
# each row.
OTHERS, OWN = "other_items", "own_items"


def training_set(
    data: Data, ratings: Ratings, config: CausalConfig, seed: int
) -> TrainingSet:
    """Returns batches of pieces of histories, with the item that follows each item.

    A batch has the columns of ``pieces``, where ``item_index`` is 0 for items that were
    not liked; and ``other_items`` [B, N], whose rows are equal, as replicas divide a
    batch by its rows. If lists leave out for ever what a user has rated, targets are
    not compared with the other items of their piece either: ``own_items`` [B, N] marks
    them.

    Raises:
        ValueError: If no user liked a later rating than the first.
    """
    is_target = _targets(ratings)
    num_targets = np.count_nonzero(is_target)
    if not num_targets:
        raise ValueError(
            "no user has a positive after the first rating, so that there is no next "
            "item to learn: lower label.threshold"
        )
    weight = data.weights(ratings)
    if weight is not None:
        weight = relative(weight, is_target)
    num_pieces, piece = pieces(ratings, config.max_history_length, weight)
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
        batch = piece(rows)
        liked = tf.where(
            batch[f.LABEL] == f.LIKED, batch[f.ITEM_INDEX], f.PADDING_INDEX
        )
        drawn = tf.tile([others(step)], [batch_size, 1])
        made = batch | {f.ITEM_INDEX: liked, OTHERS: drawn}
        if data.again_after is None:
            items = (batch[f.HISTORY_ITEM_INDEX], batch[f.ITEM_INDEX][:, -1:])
            made[OWN] = occurs_in(tf.concat(items, 1), drawn)
        return made

    by_softmax = config.loss == "softmax" and not is_drawn
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


def _targets(ratings: Ratings) -> npt.NDArray[np.bool_]:
    """Returns which ratings, [N], are likes that another rating precedes."""
    is_target = computed(
        lambda rows: ratings.label[rows] == f.LIKED, len(ratings), np.bool_
    )
    is_target[ratings.firsts()] = False
    return is_target


def pieces(
    ratings: Ratings, length: int, weight: Stars | None = None
) -> tuple[int, Callable[[tf.Tensor], Batch]]:
    """Cuts each user's ratings, in the order of time, into pieces of a fixed length.

    Every rating but a user's first is the target of one position. The newest piece is
    full if the user has rated enough; the oldest may be shorter.

    Args:
        ratings: The ratings, grouped by user.
        length: L, number of positions in a piece.
        weight: How much each rating counts, [N]; None if all count alike.

    Returns:
        The number of pieces, and a function of numbers [B] of pieces. It returns
        ``history_item_index``, the items at the positions; ``history_timestamp``, when
        they were rated, if that was read; ``item_index``, the items after them;
        ``label``, whether those were liked (1) or not (0); and their ``weight``, if
        there are weights. All are [B, L], padded with 0 in front.
    """
    starts = ratings.firsts()
    ends = np.append(starts[1:], len(ratings))
    counts = -(-(ends - starts - 1) // length)  # pieces of each user
    user = np.repeat(np.arange(len(ends)), counts)
    number = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
    # Position of the last target of each piece, counted back from the newest.
    last = tf.constant(ends[user] - 1 - number * length)
    start = tf.constant(starts[user])
    before = {f.HISTORY_ITEM_INDEX: tensor(ratings.item_index)}
    if ratings.timestamp is not None:
        before[f.HISTORY_TIMESTAMP] = tensor(ratings.timestamp)
    at = {f.ITEM_INDEX: tensor(ratings.item_index), f.LABEL: tensor(ratings.label)}
    if weight is not None:
        at[f.WEIGHT] = tensor(weight)
    back = tf.range(length, dtype=tf.int64)[::-1]

    def piece(numbers: tf.Tensor) -> Batch:
        place = tf.gather(last, numbers)[:, tf.newaxis] - back  # of the targets, [B, L]
        is_real = place > tf.gather(start, numbers)[:, tf.newaxis]
        place = tf.maximum(place, 1)

        def cut(column: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
            values = tf.gather(column, where)
            return tf.where(is_real, values, tf.zeros([], column.dtype))

        batch = {name: cut(column, place - 1) for name, column in before.items()}
        batch |= {name: cut(column, place) for name, column in at.items()}
        batch[f.LABEL] = tf.cast(batch[f.LABEL] == f.LIKED, tf.int32)
        return batch

    return len(user), piece


def occurs_in(items: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
    """Returns which candidates [B, N] are among the items [B, M] of their row."""
    items = tf.sort(items, 1)
    place = tf.searchsorted(items, candidates)  # of the first that is not smaller
    nearest = tf.gather(items, tf.minimum(place, items.shape[1] - 1), batch_dims=1)
    return nearest == candidates


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
    length = target.shape[1]

    def left_out(position: tf.Tensor) -> tf.Tensor:
        own = tf.gather(batch[OWN], position // length)
        is_target = tf.gather(tf.reshape(target, [-1, 1]), position) == catalogue
        return own & ~is_target

    every = summed_logsumexp(
        tf.reshape(state, [-1, state.shape[2]]),
        model.items(catalogue),
        tf.reshape(weight, [-1]),
        left_out if OWN in batch else None,
    )
    return every - tf.reduce_sum(weight * tf.cast(positive, tf.float32))


def losses_of_next_items(model: Causal, batch: Batch, loss: LossFunction) -> tf.Tensor:
    """Returns a loss for each of the T targets of a batch, [T].

    Positions without a target, which are two in five of MovieLens 1M's, are not scored.
    The target and the user's own items are as good as left out of the other candidates.
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
    # XLA loses the relation of T to its bound in slices, as of target[:, tf.newaxis].
    left_out = tf.expand_dims(target, 1) == others  # [T, N]
    if OWN in batch:
        row, _ = tf.unstack(has_target, axis=1)
        left_out |= tf.gather(batch[OWN], row)
    other = tf.where(left_out, IMPOSSIBLE, tf.cast(other, tf.float32))
    losses = loss(tf.cast(positive, tf.float32), other)
    if f.WEIGHT not in batch:
        return losses
    return losses * tf.cast(tf.gather_nd(batch[f.WEIGHT], has_target), tf.float32)
