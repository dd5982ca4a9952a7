"""Counts distinct users, items and pairs of both, block by block."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_ITEM_BITS = 32
# Pairs collected before repeats among them are removed: 32 MB.
_PENDING = 4 << 20

Int64 = npt.NDArray[np.int64]


class PairCounter:
    """The distinct users, items and pairs of all ratings that were added.

    It takes 8 bytes per distinct pair and some 100 per distinct id.
    """

    def __init__(self) -> None:
        self.user_ids: dict[str, int] = {}
        self.item_ids: dict[str, int] = {}
        self._distinct: Int64 = np.empty(0, np.int64)
        self._pending: list[Int64] = []
        self._num_pending = 0

    def add(self, users: pa.ChunkedArray, items: pa.ChunkedArray) -> None:
        """Adds ratings.

        Args:
            users: [N] user ids.
            items: [N] item ids.
        """
        if not len(users):
            return
        pairs = _number(users, self.user_ids) << _ITEM_BITS
        self._pending.append(pairs | _number(items, self.item_ids))
        self._num_pending += len(pairs)
        if self._num_pending > max(_PENDING, len(self._distinct)):
            self._merge()

    @property
    def num_pairs(self) -> int:
        """The number of distinct pairs so far."""
        self._merge()
        return len(self._distinct)

    def _merge(self) -> None:
        self._distinct = np.unique(np.concatenate([self._distinct, *self._pending]))
        self._pending, self._num_pending = [], 0


def _number(ids: pa.ChunkedArray, known: dict[str, int]) -> Int64:
    """Returns the number of each id [N]; new ids get the next numbers."""
    encoded = pc.dictionary_encode(ids.combine_chunks())
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    names = encoded.dictionary.to_pylist()
    numbers = np.fromiter(
        (known.setdefault(name, len(known)) for name in names), np.int64, len(names)
    )
    return numbers[encoded.indices.to_numpy()]
