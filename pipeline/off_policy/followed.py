"""Which of the items that were shown an event followed.

An event counts for the last list before it, of the same user, that has its item, unless
more time than the window has passed. An event in the second of a list is after it.
"""

import bisect
import collections
import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.event_log.store import read_since
from pipeline.off_policy.drawn_lists import ShownList

CHUNK_ROWS = 100_000  # events in memory at once


class Impressions:
    """Items that were shown, numbered from 0."""

    def __init__(self) -> None:
        self._count = 0
        self._first = 0  # second of the earliest list
        self._shown = collections.defaultdict[tuple[str, str], list[tuple[int, int]]](
            list
        )

    def add(self, shown: ShownList) -> list[int]:
        """Adds the items of a list; returns the numbers of those that were drawn."""
        self._first = min(self._first or shown.second, shown.second)
        begin = self._count
        for item in (*shown.head, *shown.drawn):
            self._shown[shown.user, item].append((shown.second, self._count))
            self._count += 1
        return list(range(begin + len(shown.head), self._count))

    def followed(self, out: Path, window: int) -> npt.NDArray[np.bool_]:
        """Returns whether an event followed each.

        Args:
            out: Folder of the runs, whose server has received the events.
            window: For how many seconds after a list an event counts, without the last.

        Raises:
            EventStoreError: If no events were received, or they cannot be read.
        """
        for shown in self._shown.values():
            shown.sort()
        followed = np.zeros(self._count, bool)
        events = read_since(out, self._first, CHUNK_ROWS)
        for user, item, second, _ in itertools.chain.from_iterable(events):
            shown = self._shown.get((user, item), [])
            last = bisect.bisect_right(shown, (second, self._count)) - 1
            if last >= 0 and second - shown[last][0] < window:
                followed[shown[last][1]] = True
        return followed
