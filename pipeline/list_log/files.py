"""Writes lists to Parquet files, beside the requests.

A request only appends to a queue. A thread writes the queue once per second, and
completes a file every minute: what a killed server has not completed is lost, and so is
what does not fit into the queue, which is counted.
"""

import collections
import contextlib
import datetime
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from components import durable_files
from pipeline.kept_days import DAY_SECONDS, oldest_kept
from pipeline.list_log.redaction import Redaction
from pipeline.list_log.shown import REPEATING, SCHEMA, Shown, as_table

_log = logging.getLogger(__name__)
FOLDER, FILES = "lists", "lists-*.parquet"
_NAME = "lists-{:%Y%m%dT%H%M%S}"
_DAY_0 = datetime.date(1970, 1, 1).toordinal()
MAX_WAITING = 20_000  # lists; about 200 MB with 1,000 items in each history
WRITE_SECONDS, FILE_SECONDS = 1.0, 60.0


class NoListsError(ValueError):
    """A folder has no logged lists."""


class ListLogError(RuntimeError):
    """Lists cannot be logged."""


def files_of(out: Path) -> list[Path]:
    """Returns the complete files in a folder of runs, the oldest first."""
    return sorted((out / FOLDER).glob(FILES))


def existing_files(out: Path) -> list[Path]:
    """Returns the complete files in a folder of runs, the oldest first.

    Raises:
        NoListsError: If there are none.
    """
    paths = files_of(out)
    if not paths:
        raise NoListsError(
            f"{out / FOLDER} has no lists. 'marquee serve --log-lists 1' writes a file "
            "every minute."
        )
    return paths


def written_since(paths: Iterable[Path], second: int) -> list[Path]:
    """Returns the files that were completed since a time, in seconds UTC.

    Their names have the time: that of the file changes when it is copied.
    """
    oldest = _NAME.format(datetime.datetime.fromtimestamp(second, datetime.UTC))
    return [path for path in paths if path.name >= oldest]


def _days_of(paths: Iterable[Path]) -> set[int]:
    """Returns the days on which files were completed, in days since 1970."""
    days = set()
    for name in {path.name[: len(f"{FOLDER}-20261120")] for path in paths}:
        with contextlib.suppress(ValueError):  # not a file of this log
            then = datetime.datetime.strptime(name, f"{FOLDER}-%Y%m%d")
            days.add(then.toordinal() - _DAY_0)
    return days


class ListLog:
    """The log of a server; ``add`` never waits.

    Attributes:
        share: Share of the lists that are logged, 0 to 1.
    """

    def __init__(
        self,
        out: Path,
        share: float,
        keep: Callable[[int], None],
        lose: Callable[[int], None],
        redacted: Sequence[str] = (),
    ):
        """Starts the thread.

        Args:
            out: Folder of the runs, in which the files have a folder of their own.
            share: Share of the lists that are logged, 0 to 1.
            keep: Called with the number of lists in each complete file.
            lose: Called with the number of lists that could not be written.
            redacted: Fields that are left out or hashed (``redaction.FIELDS``).

        Raises:
            ListLogError: If the folder, or the key of the hash, cannot be created.
        """
        self._folder, self.share = out / FOLDER, share
        self._keep, self._lose = keep, lose
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._redaction = Redaction(out, redacted)
        except OSError as error:
            raise ListLogError(
                f"lists cannot be logged to {self._folder} ({error}): check the disk "
                "and the rights of the folder, or serve without --log-lists."
            ) from error
        self._waiting: collections.deque[Shown] = collections.deque()
        self._ended = threading.Event()
        self._file: pq.ParquetWriter | None = None
        self._unfinished, self._file_until, self._num_in_file = Path(), 0.0, 0
        self._problem = ""
        self._thread = threading.Thread(target=self._write_on, daemon=True)
        self._thread.start()

    @property
    def is_wanted(self) -> bool:
        """Whether the next list is logged, drawn at random."""
        return self.share >= 1 or random.random() < self.share

    def add(self, page: Shown) -> None:
        """Logs a page of a list; any thread may call this."""
        if len(self._waiting) >= MAX_WAITING:
            self._lose(1)
        else:
            self._waiting.append(page)

    def close(self) -> None:
        """Completes the file."""
        self._ended.set()
        self._thread.join()

    def _write_on(self) -> None:
        while not self._ended.wait(WRITE_SECONDS):
            self._write()
        self._write()
        self._complete()

    def _write(self) -> None:
        pages = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if self._file and time.monotonic() > self._file_until:
            self._complete()
        if not pages:
            return
        self._num_in_file += len(pages)
        try:
            if self._file is None:
                self._unfinished = durable_files.unfinished_beside(
                    self._folder / FOLDER
                )
                self._file_until = time.monotonic() + FILE_SECONDS
                # Statistics take a quarter of the time, and all lists of a file are
                # read; so do dictionaries of columns whose values do not repeat.
                self._file = pq.ParquetWriter(
                    *(self._unfinished, SCHEMA),
                    compression="zstd",
                    use_dictionary=[f"{name}.list.item" for name in REPEATING],
                    write_statistics=False,
                )
            self._file.write_table(as_table(list(map(self._redaction.of, pages))))
        except Exception as error:  # the thread must go on
            self._give_up(error)

    def _complete(self) -> None:
        if self._file is None:
            return
        try:
            self._file.close()
            now = datetime.datetime.now(datetime.UTC)
            # Servers in containers have the same process ID.
            number = uuid.uuid4().hex[:8]
            name = f"{_NAME.format(now)}.{now:%f}Z-{number}.parquet"
            durable_files.move(self._unfinished, self._folder / name)
            self._keep(self._num_in_file)
            self._file, self._num_in_file = None, 0
        except Exception as error:
            self._give_up(error)
            return
        try:
            self._remove_old()
        except OSError as error:
            self._report(f"old lists cannot be removed from {self._folder}: {error}")
        else:
            self._problem = ""

    def _remove_old(self) -> None:
        """Removes old files, and what killed servers left.

        Another server of the folder may remove or rename them at the same time.
        """
        complete = set(self._folder.glob(FILES))
        today = int(time.time()) // DAY_SECONDS
        oldest = oldest_kept(_days_of(complete), today) * DAY_SECONDS
        kept = set(written_since(complete, oldest))
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                is_left = path not in complete and path.stat().st_mtime < oldest
                if is_left or path in complete - kept:
                    path.unlink()

    def _give_up(self, error: Exception) -> None:
        """Counts the lists of the unfinished file as lost; reports a new problem."""
        self._lose(self._num_in_file)
        self._file, self._num_in_file = None, 0
        with contextlib.suppress(OSError):
            self._unfinished.unlink(missing_ok=True)
        self._report(f"lists cannot be logged to {self._folder}: {error}")

    def _report(self, problem: str) -> None:
        """Logs a problem once, until another one occurs."""
        if problem != self._problem:
            self._problem = problem
            _log.error(problem)
