"""Keeps each event once, on disk before it is acknowledged.

A SQLite database in the folder of the runs. A transaction is on disk when it returns
(``synchronous = FULL``), and events with a known ID are left out.

An event belongs to the day on which it arrived, in UTC. Days do not go back when the
clock does: a day that has been written to a span gets no more events.
"""

import contextlib
import datetime
import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pipeline.event_log.expected import Row
from pipeline.kept_days import DAY_SECONDS

EVENTS_FILE = "events.sqlite"
BUSY_SECONDS = 5.0  # until a request gives up, as by default in Python's sqlite3
# States of a day: only an open one gets events; the events of a written one are in a
# span.
OPEN, CLOSED, WRITTEN = "open", "closed", "written"
_VERSION = 1
_SCHEMA = """
CREATE TABLE event (
  event_id TEXT PRIMARY KEY, user_id TEXT, item_id TEXT, rating REAL, event_type TEXT,
  timestamp INTEGER, day INTEGER
) WITHOUT ROWID;
CREATE INDEX event_by_user ON event (user_id);
CREATE INDEX event_by_day ON event (day);
CREATE TABLE day (day INTEGER PRIMARY KEY, state TEXT);
"""
_COLUMNS = "event_id, user_id, item_id, rating, event_type, timestamp"
_ADD = f"INSERT OR IGNORE INTO event ({_COLUMNS}, day) VALUES (?, ?, ?, ?, ?, ?, ?)"
_OF_USER = f"""
SELECT {_COLUMNS} FROM event
WHERE user_id = ? AND day > ? AND day NOT IN (SELECT value FROM json_each(?))
ORDER BY timestamp, event_id
"""
_OF_DAY = f"SELECT {_COLUMNS} FROM event WHERE day = ? ORDER BY timestamp, event_id"
_UNWRITTEN = f"SELECT day FROM day WHERE day < ? AND state != '{WRITTEN}' ORDER BY day"
_FIRST_OPEN = f"SELECT coalesce(max(day) + 1, 0) FROM day WHERE state != '{OPEN}'"
_REMOVE = f"""
DELETE FROM event
WHERE day < ? AND day IN (SELECT day FROM day WHERE state = '{WRITTEN}')
"""
_BRING_BACK = (
    f"INSERT OR IGNORE INTO day VALUES (:day, '{OPEN}')",
    "UPDATE event SET day = :day WHERE day > :day",
    "DELETE FROM day WHERE day > :day",
)
_SINCE = """
SELECT user_id, item_id, timestamp, event_type FROM event
WHERE day >= ? AND timestamp >= ?
"""
# Lists are passed as JSON: the number of parameters of a statement is limited.
_OF_ANY = """
user_id IN (SELECT value FROM json_each(?))
OR item_id IN (SELECT value FROM json_each(?))
"""


class EventStoreError(RuntimeError):
    """The store cannot be used."""


class EventStore:
    """The events that a server has received.

    Methods raise ``sqlite3.Error`` if the disk is full or cannot be written. Those that
    write may be called by any thread, and by several servers of the same machine.
    """

    def __init__(self, out: Path):
        """Opens the store, or makes an empty one.

        Args:
            out: Folder of the runs.

        Raises:
            EventStoreError: If the file is not such a store, or cannot be written.
        """
        self.path, self._lock = out / EVENTS_FILE, threading.Lock()
        try:
            self._writer, self._reader = self._connected(), self._connected()
            self._prepare()
        except sqlite3.Error as error:
            raise EventStoreError(
                f"{self.path} cannot be opened ({error}). It holds the events that a "
                "server has received: check the disk and the rights of the folder. If "
                "the file is damaged, end all servers of the folder, and then move the "
                "file away to begin with an empty store."
            ) from error

    def _prepare(self) -> None:
        version = self._version()
        if version not in (0, _VERSION):
            raise EventStoreError(
                f"{self.path} was written by another release of Marquee (version "
                f"{version}, this one has {_VERSION}). Use that release."
            )
        if version == 0:
            self._create()
        self._use_wal()
        self._writer.execute("PRAGMA synchronous = FULL")

    def _create(self) -> None:
        with self._transaction():
            if self._version() == 0:  # no other server has been quicker
                for statement in _SCHEMA.split(";"):
                    self._writer.execute(statement)
                self._writer.execute(f"PRAGMA user_version = {_VERSION}")

    def _use_wal(self) -> None:
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._writer.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:  # SQLite does not wait for others here
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def _version(self) -> int:
        [(version,)] = self._writer.execute("PRAGMA user_version")
        return int(version)

    def add(self, requests: Sequence[Sequence[Row]], now: float) -> list[int]:
        """Adds the events of some requests; they are on disk when this returns.

        Args:
            requests: The events of each request.
            now: The present time, in seconds UTC.

        Returns:
            The number of new events of each request. The others were there before.
        """
        with self._transaction():
            day = self._present_day(now)
            self._writer.execute("INSERT OR IGNORE INTO day VALUES (?, ?)", (day, OPEN))
            return [
                self._writer.executemany(
                    _ADD,
                    (
                        (
                            *(row.event_id, row.user_id, row.item_id, row.rating),
                            *(row.event_type, row.timestamp, day),
                        )
                        for row in rows
                    ),
                ).rowcount
                for rows in requests
            ]

    def of(self, user: str, without: Collection[int]) -> list[Row]:
        """Returns the events of a user that some data does not have, the oldest first.

        Args:
            user: ID of the user.
            without: Days whose events are in the data, in days since 1970. What arrived
                before the first of them is too old for the data. It has no other days
                between them: drift held them back.
        """
        after = min(without, default=-1)
        values = (user, after, json.dumps(list(without)))
        return [Row(*row) for row in self._reader.execute(_OF_USER, values)]

    def bring_back(self, now: float) -> None:
        """Moves events to the present day that arrived while the clock was ahead.

        Otherwise they would be in no span until their day is over.
        """
        day = self._present_day(now)
        if self._writer.execute("SELECT 1 FROM day WHERE day > ?", (day,)).fetchone():
            with self._transaction():
                # Another server may have closed a day meanwhile.
                day = self._present_day(now)
                for statement in _BRING_BACK:
                    self._writer.execute(statement, {"day": day})

    def unwritten_days(self, now: float) -> list[int]:
        """Returns the days that are over and not in a span yet, in days since 1970."""
        today = int(now // DAY_SECONDS)
        with contextlib.closing(self._connected()) as reader:
            return [day for (day,) in reader.execute(_UNWRITTEN, (today,))]

    def days(self) -> list[int]:
        """Returns the days on which events arrived, in days since 1970."""
        with contextlib.closing(self._connected()) as reader:
            return [day for (day,) in reader.execute("SELECT day FROM day")]

    def of_day(self, day: int) -> Iterator[Row]:
        """Yields the events that arrived on a day, by their times."""
        with contextlib.closing(self._connected()) as reader:
            for row in reader.execute(_OF_DAY, (day,)):
                yield Row(*row)

    def mark_day(self, day: int, state: str) -> None:
        """Records that a day is ``CLOSED`` or ``WRITTEN``."""
        with self._transaction():
            self._writer.execute("UPDATE day SET state = ? WHERE day = ?", (state, day))

    def remove_before(self, day: int) -> None:
        """Removes the events of earlier days that are in a span."""
        with self._transaction():
            self._writer.execute(_REMOVE, (day,))

    def count(self) -> int:
        """Returns the number of events."""
        [(number,)] = self._writer.execute("SELECT count(*) FROM event")
        return int(number)

    def count_of(self, users: Collection[str], items: Collection[str]) -> int:
        """Returns the number of events of some users or items."""
        [(number,)] = self._writer.execute(
            f"SELECT count(*) FROM event WHERE {_OF_ANY}", _as_json(users, items)
        )
        return int(number)

    def remove(self, users: Collection[str], items: Collection[str]) -> None:
        """Removes the events of some users or items, and their bytes from the disk.

        Raises:
            EventStoreError: If another process is reading, so that the bytes remain.
        """
        with self._transaction():
            self._writer.execute(
                f"DELETE FROM event WHERE {_OF_ANY}", _as_json(users, items)
            )
        with self._lock:
            self._writer.execute("VACUUM")
            [(is_read, *_)] = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if is_read:
            raise EventStoreError(
                f"the events are removed, but their bytes are still in {self.path} or "
                "beside it, as another process is reading it. Run the command again."
            )

    def close(self) -> None:
        """Closes the connections."""
        self._reader.close()
        self._writer.close()

    def _present_day(self, now: float) -> int:
        """Returns the day to which an event belongs that arrives now."""
        [(first_open,)] = self._writer.execute(_FIRST_OPEN)
        return max(int(now // DAY_SECONDS), first_open)

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._writer.execute("COMMIT")
            except BaseException:
                # SQLite may have rolled back already, as it does if the disk is full.
                with contextlib.suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise


def read_since(
    out: Path, since: int, size: int
) -> Iterator[list[tuple[str, str, int, str]]]:
    """Yields events that happened from a time on, in any order, and writes nothing.

    Args:
        out: Folder of the runs.
        since: The earliest time, in seconds UTC.
        size: Number of events that are returned at once.

    Yields:
        The user, the item, the time and the type of each.

    Raises:
        EventStoreError: If the store is missing or unreadable.
    """
    path = out / EVENTS_FILE
    if not path.is_file():
        raise EventStoreError(
            f"{path} is missing. 'marquee serve --events DIR' receives events."
        )
    # An event is at most some minutes ahead of the clock by which it arrived.
    day = since // DAY_SECONDS - 1
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as reader:
            rows = reader.execute(_SINCE, (day, since))
            while found := rows.fetchmany(size):
                yield found
    except sqlite3.Error as error:
        raise EventStoreError(f"{path} cannot be read ({error}).") from error


def _as_json(users: Collection[str], items: Collection[str]) -> tuple[str, str]:
    return json.dumps(list(users)), json.dumps(list(items))


def date_of(day: int) -> str:
    """Returns a day since 1970 as ``2026-11-20``."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(day)).isoformat()
