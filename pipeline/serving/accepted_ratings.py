"""The ratings and titles that the answering version was accepted with.

A version that takes over brings its own; they are read beforehand. They are read again
when a later run has accepted newer ones for the same version. Without them no list is
made: other ratings would make a known user unknown.
"""

import asyncio
import dataclasses
import logging
import math
import multiprocessing
import time
import weakref
from multiprocessing.connection import Connection
from pathlib import Path

from pipeline.lineage import AcceptedData, NoLineageError, accepted_data
from pipeline.recommend.item_titles import Titles
from pipeline.recommend.user_history import Histories, files_of
from pipeline.runs.metadata_store import METADATA_FILE
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.prometheus_metrics import Metrics

_log = logging.getLogger(__name__)
RETRY_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Known:
    """What the ratings and the catalogue say.

    Attributes:
        data: Where they were read from.
        histories: Of the users.
        titles: Of the items.
    """

    data: AcceptedData
    histories: Histories
    titles: Titles


class AcceptedRatings:
    """What is known of users and items, for each version that is loaded."""

    def __init__(self, out: Path, metrics: Metrics):
        """Reads nothing yet.

        Args:
            out: Folder of the runs.
            metrics: Counts what could not be read.
        """
        self._out, self._metrics = out, metrics
        self._known: weakref.WeakKeyDictionary[ModelProcess, Known] = (
            weakref.WeakKeyDictionary()
        )
        self._one_at_a_time = asyncio.Lock()
        self._looked_at: tuple[int, object] = (0, None)
        self._not_before, self._problem = 0.0, ""

    def of(self, model: ModelProcess) -> Known | None:
        """What a version answers from; None until it was read."""
        return self._known.get(model)

    async def look(self, model: ModelProcess) -> None:
        """Reads what a version was accepted with, unless that was read already."""
        async with self._one_at_a_time:
            # Called every second: the store is queried only when it has changed.
            looked_at = (model.number, _state_of(self._out / METADATA_FILE))
            must_wait = time.monotonic() < self._not_before
            # A process that was started again has the number of the one before it.
            is_done = model in self._known or self._problem
            if looked_at == self._looked_at and must_wait and is_done:
                return
            self._looked_at, self._not_before = looked_at, math.inf
            try:
                await self._look(model)
            except Exception as error:  # what was read before goes on
                self._not_before = time.monotonic() + RETRY_SECONDS
                self._report(model, error)
            else:
                self._problem = ""

    def _report(self, model: ModelProcess, error: Exception) -> None:
        """Logs and counts a problem once, until it is another one."""
        problem = f"version {model.number}: its ratings cannot be read: {error}"
        if problem != self._problem:
            self._problem = problem
            self._metrics.load_failures.labels("ratings").inc()
            _log.error(problem, exc_info=not isinstance(error, NoLineageError))

    async def _look(self, model: ModelProcess) -> None:
        data = await asyncio.to_thread(accepted_data, self._out, model.version)
        for known in list(self._known.values()):
            if dataclasses.replace(known.data, run=data.run) == data:
                self._known[model] = known  # a later run took it from the cache
                return
        self._known[model] = await asyncio.to_thread(_read_aside, data)
        _log.info(
            "version %d: %d users are known, from %s as of run %s",
            *(model.number, len(self._known[model].histories), data.source, data.run),
        )


def _state_of(store: Path) -> list[tuple[int, int]]:
    """Changes whenever the store is written to, its write-ahead log included."""
    paths = (store, store.with_name(f"{store.name}-wal"))
    stats = [path.stat() for path in paths if path.exists()]
    return [(stat.st_mtime_ns, stat.st_size) for stat in stats]


def _read_aside(data: AcceptedData) -> Known:
    """Reads in a process of its own: requests would wait for what is read here.

    A pipe and a process are all that this takes; executors need semaphores, and so
    ``/dev/shm``, which a container may not have.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(data, theirs), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    with ours:
        try:
            told: Known | Exception = ours.recv()
        except EOFError as error:
            process.join()
            message = f"the process that read them ended with {process.exitcode}"
            raise RuntimeError(message) from error
    process.join()
    if isinstance(told, Exception):
        raise told
    return told


def _send(data: AcceptedData, connection: Connection) -> None:
    try:
        connection.send(_read(data))
    except Exception as error:  # whatever it is, the server reports it
        connection.send(error)


def _read(data: AcceptedData) -> Known:
    from components.catalogue_gen import read_catalogue

    histories = Histories(files_of(str(data.examples)))
    return Known(data, histories, Titles(read_catalogue(str(data.catalogue))))
