"""The ratings and titles with which the served version was accepted.

Those of a new version are read before it takes over. They are read again when a later
run has accepted newer ones for the same version. Without them, no list is returned:
with other ratings, a known user would seem unknown.
"""

import asyncio
import dataclasses
import logging
import math
import time
import weakref
from pathlib import Path

from pipeline.aside import aside
from pipeline.event_log.expected import Expected
from pipeline.lineage import AcceptedData, NoLineageError, accepted_data
from pipeline.recommend.item_titles import Titles
from pipeline.recommend.likes import Likes
from pipeline.recommend.user_history import Histories, files_of
from pipeline.runs.metadata_store import METADATA_FILE, database
from pipeline.serving.errors import RequestError
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.prometheus_metrics import Metrics

_log = logging.getLogger(__name__)
RETRY_SECONDS, DATABASE_SECONDS = 60.0, 10.0


@dataclasses.dataclass(frozen=True)
class ServedData:
    """Ratings and catalogue in memory.

    Attributes:
        data: Where they were read from.
        histories: The users' histories.
        likes: The users who like each item.
        titles: The items' titles.
        expected: What events must have.
    """

    data: AcceptedData
    histories: Histories
    likes: Likes
    titles: Titles
    expected: Expected


@dataclasses.dataclass
class _Looked:
    """The last look at the store for a version.

    Attributes:
        state: State of the store then.
        not_before: Time of the next look at an unchanged store, on the monotonic clock.
        problem: Why the ratings could not be read; empty if they could.
    """

    state: object = None
    not_before: float = 0.0
    problem: str = ""


class AcceptedRatings:
    """Ratings and titles of each loaded version."""

    def __init__(self, out: Path, metrics: Metrics):
        """Starts without data.

        Args:
            out: Folder of the runs.
            metrics: Metrics that count failures.
        """
        self._out, self._metrics = out, metrics
        self._data: weakref.WeakKeyDictionary[ModelProcess, ServedData] = (
            weakref.WeakKeyDictionary()
        )
        self._one_at_a_time = asyncio.Lock()
        self._looked: dict[int, _Looked] = {}

    def of(self, model: ModelProcess) -> ServedData:
        """Returns the data of a version.

        Raises:
            RequestError: If it has not been read (503).
        """
        data = self.known(model)
        if data is None:
            raise RequestError(
                503,
                f"the ratings that version {model.number} was accepted with have not "
                "been read; see the server's log",
            )
        return data

    def __contains__(self, model: ModelProcess) -> bool:
        """Returns whether the data of a version has been read."""
        return model in self._data

    def known(self, model: ModelProcess) -> ServedData | None:
        """Returns the data of a version; None if it has not been read."""
        return self._data.get(model)

    async def look(self, model: ModelProcess) -> None:
        """Reads the data with which a version was accepted, unless already read."""
        async with self._one_at_a_time:
            # Called every second: the store is queried only when it has changed.
            state = _state_of(self._out / METADATA_FILE)
            looked = self._looked.setdefault(model.number, _Looked())
            must_wait = time.monotonic() < looked.not_before
            # A restarted process has the number of the previous one.
            is_done = model in self._data or looked.problem
            if state == looked.state and must_wait and is_done:
                return
            # A database does not show whether it has changed.
            wait = DATABASE_SECONDS if database() else math.inf
            looked.state, looked.not_before = state, time.monotonic() + wait
            try:
                await self._look(model)
            except Exception as error:  # the data read before remain in use
                looked.not_before = time.monotonic() + min(wait, RETRY_SECONDS)
                self._report(model, error)
            else:
                looked.problem = ""

    def _report(self, model: ModelProcess, error: Exception) -> None:
        """Logs and counts a problem once, until another one occurs."""
        problem = f"version {model.number}: cannot read its ratings: {error}"
        looked = self._looked[model.number]
        if problem != looked.problem:
            looked.problem = problem
            self._metrics.load_failures.labels("ratings").inc()
            _log.error(problem, exc_info=not isinstance(error, NoLineageError))

    async def _look(self, model: ModelProcess) -> None:
        data = await asyncio.to_thread(accepted_data, self._out, model.version)
        for served in list(self._data.values()):
            if dataclasses.replace(served.data, run=data.run) == data:
                self._data[model] = served  # a later run took it from the cache
                return
        self._data[model] = await asyncio.to_thread(aside, _read, data)
        _log.info(
            "version %d: ratings of %d users loaded, from %s as of run %s",
            *(model.number, len(self._data[model].histories), data.source, data.run),
        )


def _state_of(store: Path) -> list[tuple[int, int]]:
    """Returns a value that changes with every write, also to the write-ahead log."""
    paths = (store, store.with_name(f"{store.name}-wal"))
    stats = [path.stat() for path in paths if path.exists()]
    return [(stat.st_mtime_ns, stat.st_size) for stat in stats]


def _read(data: AcceptedData) -> ServedData:
    from components.catalogue_gen import read_catalogue

    histories = Histories(files_of(str(data.examples)))
    titles = Titles(read_catalogue(str(data.catalogue)))
    likes = histories.likes(data.threshold)
    expected = Expected.of(data.examples, data.reader)
    return ServedData(data, histories, likes, titles, expected)
