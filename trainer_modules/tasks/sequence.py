"""Learns every next item of a history in one pass.

Kang and McAuley 2018 (https://arxiv.org/abs/1808.09781), section 3.5: the model's state
after each item is compared with the item that followed. The other candidates are the
same for a whole batch, so that one matrix product scores them: the catalogue, or items
drawn from it (Klenitskiy and Vasilev 2023, https://arxiv.org/abs/2309.07602).
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.sequence import CausalConfig
from trainer_modules.inputs import Data
from trainer_modules.interactions import Indices, Ratings
from trainer_modules.protocols import Causal
from trainer_modules.tasks.losses import LossFunction
from trainer_modules.tasks.task import Batch, TrainingSet, shuffled_batches

OTHERS = "other_items"  # in a batch: the candidates that all its positions share
IMPOSSIBLE = -1e9  # the score of a candidate that is the target itself


def training_set(
    data: Data, ratings: Ratings, config: CausalConfig, seed: int
) -> TrainingSet:
    """Returns batches of pieces of histories, with the item that follows each item.

    A batch has ``history_item_index`` [B, L], padded with 0 in front; ``item_index``
    [B, L], what followed each, or 0 where that was not liked or is padding; ``label``
    [B, L], 1 at the others; and ``other_items`` [B, N], whose rows are equal, as
    replicas divide a batch by its rows.

    Raises:
        ValueError: If no user liked a later rating than the first.
    """
    history, target, label = pieces(ratings, config.max_history_length)
    target = np.where(label == f.LIKED, target, f.PADDING_INDEX)
    num_targets = np.count_nonzero(target)
    if not num_targets:
        raise ValueError(
            "no user has a positive after the first rating, so that there is no next "
            "item to learn: lower label.threshold"
        )
    history, target, label = map(tf.constant, (history, target, label))
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
        return {
            f.HISTORY_ITEM_INDEX: tf.gather(history, rows),
            f.ITEM_INDEX: tf.gather(target, rows),
            f.LABEL: tf.gather(label, rows),
            OTHERS: tf.tile([others(step)], [batch_size, 1]),
        }

    batches, steps, batch_size = shuffled_batches(
        len(history), config.batch_size, seed, make
    )
    return TrainingSet(
        batches,
        steps,
        batch_size,
        num_candidates=config.max_history_length,
        losses=losses_of_next_items,
        losses_per_row=num_targets / len(history),
    )


def pieces(ratings: Ratings, length: int) -> tuple[Indices, Indices, Indices]:
    """Cuts each user's ratings, in the order of time, into pieces of a fixed length.

    Every rating but a user's first is the target of one position. The newest piece is
    full if the user has rated enough; the oldest may be shorter.

    Args:
        ratings: The ratings, grouped by user.
        length: L, number of positions in a piece.

    Returns:
        The items at the positions, the items after them, and whether those were liked
        (1 or 0), [P, L] each, padded with 0 in front.
    """
    ends = np.flatnonzero(np.diff(ratings.user_index, append=f.PADDING_INDEX)) + 1
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    counts = -(-(ends - starts - 1) // length)  # pieces of each user
    user = np.repeat(np.arange(len(ends)), counts)
    number = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
    # Position of the last target of each piece, counted back from the newest.
    last = ends[user] - 1 - number * length
    place = last[:, np.newaxis] - np.arange(length)[::-1]  # of the targets, [P, L]
    is_real = place > starts[user][:, np.newaxis]
    before, at = np.maximum(place - 1, 0), np.maximum(place, 0)

    def cut(column: npt.NDArray[np.int32], where: npt.NDArray[np.int64]) -> Indices:
        return np.where(is_real, column[where], 0).astype(np.int32)

    liked = (ratings.label == f.LIKED).astype(np.int32)
    return (
        cut(ratings.item_index, before),
        cut(ratings.item_index, at),
        cut(liked, at),
    )


def losses_of_next_items(model: Causal, batch: Batch, loss: LossFunction) -> tf.Tensor:
    """Returns a loss for each of the T targets of a batch, [T].

    Positions without a target, which are two in five of MovieLens 1M's, are not scored.
    An other candidate that is the target itself is as good as excluded.
    """
    target, others = batch[f.ITEM_INDEX], batch[OTHERS][0]  # [B, L], [N]
    state = model.states(batch[f.HISTORY_ITEM_INDEX], training=True)  # [B, L, D]
    positive = tf.reduce_sum(state * model.vectors(target), 2)  # [B, L]
    # The targets' vectors are looked up before their number varies: replicas cannot
    # join the gradients of a table if their shapes change between steps.
    has_target = tf.where(target != f.PADDING_INDEX)  # [T, 2]
    target, positive, state = (
        tf.gather_nd(value, has_target) for value in (target, positive, state)
    )
    other = tf.matmul(state, model.vectors(others), transpose_b=True)  # [T, N]
    other = tf.where(
        target[:, tf.newaxis] == others, IMPOSSIBLE, tf.cast(other, tf.float32)
    )
    return loss(tf.cast(positive, tf.float32), other)
