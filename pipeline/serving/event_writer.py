"""Writes events to disk: those of all requests that wait in one transaction.

A transaction takes a few milliseconds, whatever the number of its events. Requests that
arrive meanwhile wait for the next one.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.event_log.day_spans import write_days
from pipeline.event_log.expected import Expected, Row
from pipeline.event_log.histories import with_events
from pipeline.event_log.store import EventStore
from pipeline.recommend.user_history import History
from pipeline.serving.errors import RequestError
from pipeline.serving.prometheus_metrics import Metrics

_log = logging.getLogger(__name__)
MAX_WAITING = 100_000  # events
DAYS_SECONDS = 5.0  # between two checks whether a day is over


class EventWriter:
    """The events of a server; belongs to one event loop."""

    def __init__(self, store: EventStore, folder: Path, metrics: Metrics):
        """Starts without waiting events.

        Args:
            store: Where events are kept.
            folder: Folder of the spans to which days are written.
            metrics: Metrics of the server.
        """
        self._store, self._folder, self._metrics = store, folder, metrics
        self._waiting: list[tuple[Sequence[Row], asyncio.Future[int]]] = []
        self._num_waiting = 0
        self._writing: asyncio.Task[None] | None = None
        self._problem = ""

    async def add(self, rows: Sequence[Row]) -> int:
        """Waits until events are on disk; returns how many of them are new.

        Raises:
            RequestError: If too many are waiting (429), or they cannot be written
                (503).
        """
        if self._num_waiting + len(rows) > MAX_WAITING:
            raise RequestError(429, "too many events are waiting to be written")
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        self._num_waiting += len(rows)
        if self._writing is None:
            # Its own task: it must go on if the client of this request disconnects.
            self._writing = asyncio.create_task(self._write())
        return await done

    async def _write(self) -> None:
        """Writes until no request is waiting."""
        while self._waiting:
            written, self._waiting, self._num_waiting = self._waiting, [], 0
            requests = [rows for rows, _ in written]
            try:
                new = await asyncio.to_thread(self._store.add, requests, time.time())
            except Exception as error:  # the task is not awaited: requests must end
                self._report(f"events cannot be written to {self._store.path}: {error}")
                refused = RequestError(
                    503, "events cannot be written at present; send them again later"
                )
                for _, done in written:
                    if not done.done():
                        done.set_exception(refused)
            else:
                self._problem = ""
                for (_, done), number in zip(written, new, strict=True):
                    if not done.done():
                        done.set_result(number)
        self._writing = None

    def added_to(self, history: History, user: str, expected: Expected) -> History:
        """Returns a user's history with the events that the data does not have.

        It is without them if they cannot be read, which is reported.
        """
        try:
            events = self._store.of(user, expected.days)
        except sqlite3.Error as error:
            self._report(f"events cannot be read from {self._store.path}: {error}")
            return history
        return with_events(
            history,
            events,
            has_types=expected.has_types,
            has_times=expected.has_times,
        )

    async def look(self, expected: Expected) -> None:
        """Writes the days that are over to spans."""
        try:
            names = await asyncio.to_thread(
                write_days, self._store, self._folder, expected, time.time()
            )
        except (OSError, sqlite3.Error) as error:
            self._report(f"spans cannot be written to {self._folder}: {error}")
            return
        for name in names:
            _log.info("events of %s are complete in %s", name, self._folder)

    def _report(self, problem: str) -> None:
        """Counts a problem, and logs it once until another one occurs."""
        self._metrics.event_failures.inc()
        if problem != self._problem:
            self._problem = problem
            _log.error(problem)
