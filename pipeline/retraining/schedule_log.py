"""The log of a schedule: one line per firing."""

import contextlib
import datetime
import os
import zoneinfo
from pathlib import Path
from typing import Literal

import msgspec

from components import durable_files
from pipeline.retraining.cron_schedule import local_time

PUNCTUAL = datetime.timedelta(minutes=1)  # cron supports nothing shorter
LOG_FILE = "schedule.jsonl"
# Of either log. The entries that stay are far more than anybody looks back at.
MAX_LOG_BYTES = 10_000_000


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the log; of two with the same ``due`` the later one counts.

    Attributes:
        event: ``scheduled``, the schedule is in force from then on; ``started``, a run
            began; ``ended``, and what came of it; ``skipped``, it was missed for good.
        due: The firing, in UTC. All up to it are dealt with.
        cron: The schedule that it is of.
        timezone: Of that.
        started: When the run began, in UTC.
        ended: When it ended.
        late_seconds: From due to started.
        missed: Earlier firings that this one stands for.
        exit_status: Of the run, as a shell has it, negative for the signal that killed
            it; None where nobody saw it end.
        run: Its id; None where it made none.
        verdict: In words.
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
        """Whether the run began noticeably after it was due."""
        return self.late_seconds > PUNCTUAL.total_seconds()

    def local(self, moment: datetime.datetime) -> str:
        """A moment as a clock of the schedule's timezone shows it, to the minute."""
        return local_time(moment, zoneinfo.ZoneInfo(self.timezone))


def read(out: Path) -> list[Entry]:
    """All that the log of an output folder has, but for lines that a crash tore."""
    entries = []
    with contextlib.suppress(FileNotFoundError):
        for line in (out / LOG_FILE).read_bytes().splitlines():
            with contextlib.suppress(msgspec.DecodeError, RecursionError):
                entries.append(msgspec.json.decode(line, type=Entry))
    return entries


def firings(out: Path) -> list[Entry]:
    """The last that is known of each firing, the newest last."""
    return list({e.due: e for e in read(out) if e.event != "scheduled"}.values())


def append(out: Path, entry: Entry) -> None:
    """Adds a line in one write, and waits until it is on disk."""
    with open(out / LOG_FILE, "a+b", buffering=0) as log:
        if log.tell():
            log.seek(-1, os.SEEK_END)
            if log.read(1) != b"\n":  # torn: what follows begins a line of its own
                log.write(b"\n")
        log.write(msgspec.json.encode(entry) + b"\n")
        os.fsync(log.fileno())
        is_long = log.tell() > MAX_LOG_BYTES
    if is_long:
        _forget_older_half(out / LOG_FILE)


def _forget_older_half(log: Path) -> None:
    """Keeps the newer lines, in one step: what is due is worked out from the last."""
    lines = log.read_bytes().splitlines(keepends=True)
    durable_files.write(log, b"".join(lines[len(lines) // 2 :]))
