"""Rows of very different lengths in batches that waste little padding."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from trainer_modules.interactions import Indices, Interactions

MAX_CELLS = 1 << 14  # of a batch, padding included: 192 floats each stay in the cache


def padded_rows(
    interactions: Interactions,
) -> Iterator[tuple[npt.NDArray[np.int64], Indices]]:
    """Yields all non-empty users, those of similar length together.

    Yields:
        ([R] user indices, [R, L] their item indices padded with 0), R * L at most
        ``MAX_CELLS`` unless one row alone is longer.
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
        yield rows, np.where(real, interactions.item_index[cells], 0)
        end = start
