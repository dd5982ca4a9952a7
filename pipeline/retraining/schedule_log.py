"""The log of a schedule, with a line for each event of a firing."""

import contextlib
import datetime
import os
import zoneinfo
from pathlib import Path
from typing import Literal

import msgspec

from components import durable_files
from pipeline.retraining.cron_schedule import local_time

PUNCTUAL = datetime.timedelta(minutes=1)  # the resolution of cron
LOG_FILE = "schedule.jsonl"
# Maximum size of each log; 10 MB keep many years of nightly runs.
MAX_LOG_BYTES = 10_000_000


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the log; the last line with the same ``due`` counts.

    Attributes:
        event: ``scheduled``: the schedule applies from then on; ``started``: a run
            started; ``ended``: it ended, with a verdict; ``skipped``: the firing was
            missed and is not made up for.
        due: Time of the firing in UTC. All firings up to it have been handled.
        cron: Cron expression of the schedule.
        timezone: Time zone of the schedule.
        started: Start of the run in UTC.
        ended: End of the run in UTC.
        late_seconds: Seconds from ``due`` to ``started``.
        missed: Number of earlier firings that this one replaces.
        exit_status: Exit status of the run, negative for the signal that killed it;
            None if its end was not observed.
        run: ID of the run; None if it has none.
        verdict: Result of the firing, in words.
    """

    event: Literal["scheduled", "started", "ended", "skipped"]
    due: datetime.datetime
    cron: str
    timezone: str
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None
    late_seconds: float = 0.0
    missed: int = 0
    exit_status: int | None = None
    run: str | None = None
    verdict: str = ""

    @property
    def is_late(self) -> bool:
        """Whether the run started more than a minute late."""
        return self.late_seconds > PUNCTUAL.total_seconds()

    def local(self, moment: datetime.datetime) -> str:
        """Formats a moment in the schedule's time zone, to the minute."""
        return local_time(moment, zoneinfo.ZoneInfo(self.timezone))


def read(out: Path) -> list[Entry]:
    """Returns the entries of a folder's log, without lines that a crash cut off."""
    entries = []
    with contextlib.suppress(FileNotFoundError):
        for line in (out / LOG_FILE).read_bytes().splitlines():
            with contextlib.suppress(msgspec.DecodeError, RecursionError):
                entries.append(msgspec.json.decode(line, type=Entry))
    return entries


def firings(out: Path) -> list[Entry]:
    """Returns the last entry of each firing, newest last."""
    return list({e.due: e for e in read(out) if e.event != "scheduled"}.values())


def append(out: Path, entry: Entry) -> None:
    """Adds a line in a single write, and waits until it is on disk."""
    with open(out / LOG_FILE, "a+b", buffering=0) as log:
        if log.tell():
            log.seek(-1, os.SEEK_END)
            if log.read(1) != b"\n":  # cut off by a crash: start a new line
                log.write(b"\n")
        log.write(msgspec.json.encode(entry) + b"\n")
        os.fsync(log.fileno())
        is_long = log.tell() > MAX_LOG_BYTES
    if is_long:
        _forget_older_half(out / LOG_FILE)


def _forget_older_half(log: Path) -> None:
    """Keeps the newer lines, atomically: the last one determines what is due."""
    lines = log.read_bytes().splitlines(keepends=True)
    durable_files.write(log, b"".join(lines[len(lines) // 2 :]))
