"""Which of the items that were shown an event followed, as ``online`` counts them."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.off_policy.drawn_lists import ShownList
from pipeline.online.attribution import attribute
from pipeline.online.logs import EVENTS, LISTS, event_tables


class Impressions:
    """Items that were shown, numbered from 0."""

    def __init__(self) -> None:
        self._count = 0
        self._lists: dict[str, list[Any]] = {
            name: [] for name in ("time", "user", "start", "items")
        }

    def add(self, shown: ShownList) -> list[int]:
        """Adds the items of a list; returns the numbers of those that were drawn."""
        items = [*shown.head, *shown.drawn]
        row = (shown.second * 1_000_000, shown.user, shown.start, items)
        for values, value in zip(self._lists.values(), row, strict=True):
            values.append(value)
        begin = self._count + len(shown.head)
        self._count += len(items)
        return list(range(begin, self._count))

    def followed(self, out: Path, window: int) -> npt.NDArray[np.bool_]:
        """Returns whether an event followed each.

        Args:
            out: Folder of the runs, whose server has received the events.
            window: For how many seconds after a list an event counts, without the last.

        Raises:
            EventStoreError: If no events were received, or they cannot be read.
        """
        lists = pa.table(
            self._lists, schema=pa.schema([LISTS.field(name) for name in self._lists])
        )
        first = min(self._lists["time"], default=0) // 1_000_000
        events = pa.concat_tables([EVENTS.empty_table(), *event_tables(out, first)])
        return attribute(lists, events, window, ()).clicked
