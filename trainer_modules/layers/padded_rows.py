"""Batches rows of very different lengths with little padding."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from trainer_modules.interactions import Indices, Interactions, Stars

# Cells of a batch, padding included: with 192 floats each they stay in the cache.
MAX_CELLS = 1 << 14


def padded_rows(
    interactions: Interactions,
) -> Iterator[tuple[npt.NDArray[np.int64], Indices, Stars]]:
    """Yields all users who have items, batched with users of similar history length.

    Yields:
        Indices of users [R] and of their items [R, L], padded with 0, and the weights
        of these, [R, L]. R * L is at most ``MAX_CELLS``, unless a single row is longer.
    """
    splits = interactions.row_splits()
    lengths = np.diff(splits)
    by_length = np.argsort(lengths, kind="stable")
    by_length = by_length[lengths[by_length] > 0]
    end = len(by_length)
    while end > 0:
        longest = int(lengths[by_length[end - 1]])
        start = max(0, end - max(1, MAX_CELLS // longest))
        rows = by_length[start:end]
        offsets = np.arange(longest)
        real = offsets < lengths[rows, np.newaxis]  # [R, L]
        cells = np.where(real, splits[rows, np.newaxis] + offsets, 0)
        weight = 1 if interactions.weight is None else interactions.weight[cells]
        yield (
            rows,
            np.where(real, interactions.item_index[cells], 0),
            np.where(real, weight, 0).astype(np.float32),
        )
        end = start
