"""Retraining by the clock: a command started when a cron expression says so.

APScheduler rings each minute and knows cron. What is due is worked out from the log, at
every ring anew: a machine that slept, a scheduler that was down, a clock that was set
and a run that took too long are one case, and no state is lost with the process.

A run is a process of its own: whatever kills it, the schedule goes on.
"""

import contextlib
import datetime
import logging
import logging.handlers
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import msgspec
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from pipeline import exit_codes
from pipeline.retraining.cron_schedule import Schedule
from pipeline.retraining.schedule_log import (
    MAX_LOG_BYTES,
    PUNCTUAL,
    Entry,
    append,
    read,
)
from pipeline.runs import finished_runs, lock, stopping

OUTPUT_FILE = "schedule.log"
LOCK_FILE = "schedule.lock"

_OLD_OUTPUTS = 3
RETRY_SECONDS = 60.0
# From asking a run to stop until it is killed. Longer than a step of a model's training
# takes, as Python sees no signal during one.
GRACE_SECONDS = 60.0
LIMIT = datetime.timedelta(hours=12)

Missed = Literal["once", "skip"]


def _put_aside(output: Path) -> None:
    """Renames what the runs printed to ``.1``, where it is long; the oldest goes."""
    if output.exists() and output.stat().st_size > MAX_LOG_BYTES:
        logging.handlers.RotatingFileHandler(
            output, backupCount=_OLD_OUTPUTS, delay=True
        ).doRollover()


def utc_now() -> datetime.datetime:
    """Returns the present moment, in UTC."""
    return datetime.datetime.now(datetime.UTC)


class Keeper:
    """Keeps a schedule: starts what is due, and writes down what came of it.

    Args:
        schedule: When.
        missed: What to do about firings that had to be missed: ``once`` runs once for
            all of them, ``skip`` waits for the next.
        out: The output folder.
        command: What to start; its exit statuses are those of ``marquee run``.
        tell: Called with each entry that says what came of a firing.
        now: The clock, with a timezone.
        limit: How long a firing may take, waiting for another run included.
        retry_seconds: Until a run that found another at work is tried again.
        grace_seconds: From stopping a run that is past the limit until it is killed.
    """

    def __init__(
        self,
        schedule: Schedule,
        missed: Missed,
        out: Path,
        command: Sequence[str],
        tell: Callable[[Entry], None],
        now: Callable[[], datetime.datetime] = utc_now,
        limit: datetime.timedelta = LIMIT,
        retry_seconds: float = RETRY_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ):
        self._schedule, self._missed = schedule, missed
        self._out, self._command = out, command
        self._tell, self._now = tell, now
        self._limit = limit
        self._retry_seconds, self._grace_seconds = retry_seconds, grace_seconds
        self._handled = now()
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def resume(self) -> None:
        """Takes up where the log ends, or begins it."""
        last = next(reversed(read(self._out)), None)
        if last and last.event == "started":
            # Not run again: it may be what brought the machine down.
            words = "not known: the scheduler ended before the run did"
            self._write(msgspec.structs.replace(last, event="ended", verdict=words))
        schedule = (self._schedule.cron, self._schedule.timezone)
        if last and (last.cron, last.timezone) == schedule:
            self._handled = last.due
            if last.exit_status == exit_codes.INTERRUPTED and self._missed == "once":
                # Stopped, as with the scheduler: due again.
                self._handled -= datetime.timedelta(seconds=1)
        else:  # what another schedule missed is no concern of this one
            self._write(self._entry("scheduled", self._now()))

    def fire(self) -> None:
        """Runs what is due by now, and then what came due meanwhile."""
        while not self._stopping.is_set():
            now = self._now()
            # A clock that was ahead may have left a moment that is still to come.
            self._handled = min(self._handled, now)
            due, count = self._schedule.due(self._handled, now)
            if due is None:
                return
            late = now - due
            if self._missed == "skip" and late > PUNCTUAL:
                words = "missed, and skipped"
                self._write(
                    self._entry("skipped", due, missed=count - 1, verdict=words)
                )
            else:
                self._run(
                    self._entry(
                        "started",
                        due,
                        started=now,
                        late_seconds=round(late.total_seconds(), 1),
                        missed=count - 1,
                    )
                )

    def stop(self) -> None:
        """Starts nothing more, and asks the run that goes on to stop."""
        with self._starting:
            self._stopping.set()
            if self._process:
                self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Ends the run that goes on, and all that it started."""
        if process := self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _run(self, entry: Entry) -> None:
        self._write(entry)
        deadline = time.monotonic() + self._limit.total_seconds()
        status, run = self._start_and_wait(entry, deadline)
        while status == exit_codes.BUSY and self._missed == "once":
            left = deadline - time.monotonic()
            self._stopping.wait(min(self._retry_seconds, max(left, 0)))
            if time.monotonic() >= deadline:
                break
            status, run = self._start_and_wait(entry, deadline)
        verdict = _verdict(self._out, status, run)
        if time.monotonic() > deadline and status != exit_codes.OK:
            verdict += f"; the limit of {_hours(self._limit)} was over"
        self._write(
            msgspec.structs.replace(
                entry,
                event="ended",
                ended=self._now(),
                exit_status=status,
                run=run,
                verdict=verdict,
            )
        )

    def _start_and_wait(
        self, entry: Entry, deadline: float
    ) -> tuple[int | None, str | None]:
        """Starts the command: its exit status and its run's id, as far as known."""
        _put_aside(self._out / OUTPUT_FILE)
        with open(self._out / OUTPUT_FILE, "ab", buffering=0) as output:
            output.write(f"\n== {entry.local(entry.due)} ==\n".encode())
            with self._starting:
                if self._stopping.is_set():
                    return exit_codes.INTERRUPTED, None
                try:
                    # A session of its own: ^C in a terminal reaches only us, and the
                    # run is told once.
                    process = subprocess.Popen(
                        self._command,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        # However this process dies, the run does not go on alone.
                        preexec_fn=stopping.follow_parent,
                    )
                except OSError as error:
                    output.write(f"{self._command[0]}: {error}\n".encode())
                    return None, None
                self._process = process
            status = self._wait(process, deadline, output)
            self._process = None
        holder = lock.read(self._out / lock.LOCK_FILE)
        is_its = holder is not None and holder.process == process.pid
        return status, holder.run if holder and is_its else None

    def _wait(
        self, process: "subprocess.Popen[bytes]", deadline: float, output: IO[bytes]
    ) -> int:
        """The exit status of a run, which is stopped when its time is over."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(deadline - time.monotonic())
        words = f"It took longer than {_hours(self._limit)} (retrain.max_hours)"
        output.write(f"{words}: it is stopped now.\n".encode())
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(self._grace_seconds)
        output.write(b"It did not stop: it is killed, and all that it started.\n")
        self.kill()
        return process.wait()

    def _entry(
        self,
        event: Literal["scheduled", "started", "skipped"],
        due: datetime.datetime,
        **more: Any,
    ) -> Entry:
        return Entry(
            event=event,
            due=due,
            cron=self._schedule.cron,
            timezone=self._schedule.timezone,
            **more,
        )

    def _write(self, entry: Entry) -> None:
        append(self._out, entry)
        self._handled = entry.due
        if entry.event in ("ended", "skipped"):
            self._tell(entry)


def keep(keeper: Keeper, out: Path, started: Callable[[], None]) -> int:
    """Keeps a schedule until SIGTERM, SIGINT or SIGHUP; a second one kills the run.

    Args:
        keeper: Of the schedule.
        out: The output folder, for one scheduler at a time.
        started: Called when it is kept.

    Returns:
        The exit status.

    Raises:
        BusyError: Another scheduler is at work in the folder.
        ConfigError: The folder cannot be written to.
    """
    with lock.held(out / LOCK_FILE, "scheduler"):
        keeper.resume()
        # A handler may come at any moment, so that it must take no lock: a SimpleQueue
        # is made for that, an Event is not.
        signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        caught = [
            number
            for number in (signal.SIGINT, *stopping.SIGNALS)
            if signal.getsignal(number) is not signal.SIG_IGN  # as nohup has it
        ]
        for number in caught:
            signal.signal(number, lambda number, _: signals.put(number))
        # It warns each minute that a run takes longer than one.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        scheduler = BackgroundScheduler(timezone=datetime.UTC)
        scheduler.add_job(
            keeper.fire,
            CronTrigger(second=0, timezone=datetime.UTC),
            next_run_time=utc_now(),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
        scheduler.start()
        started()
        stopped_by = signals.get()
        for number in caught:
            signal.signal(number, lambda *_: keeper.kill())
        keeper.stop()
        scheduler.shutdown()  # when the run has ended, and its line is written
    return (
        exit_codes.OK
        if stopped_by == signal.SIGTERM
        else exit_codes.SIGNALLED + stopped_by
    )


def _hours(limit: datetime.timedelta) -> str:
    return f"{limit.total_seconds() / 3600:g} hours"


def _verdict(out: Path, status: int | None, run_id: str | None) -> str:
    """What came of a run, in words."""
    if status is None:
        return f"could not be started; {OUTPUT_FILE} says why"
    if status < 0:
        words = f"killed by signal {-status} ({signal.strsignal(-status)})"
        if -status == signal.SIGKILL:
            words += ", as the kernel does where memory runs out"
        return words
    if status in (exit_codes.INTERRUPTED, exit_codes.TERMINATED):
        return "stopped"
    if run_id is not None and status != exit_codes.UNEXPECTED:
        # A run that ended before its verdict left no record.
        with contextlib.suppress(finished_runs.RunNotFoundError):
            record = finished_runs.read(out, run_id)
            live = record.live
            words = "none is live"
            if live.model:
                words = f"{live.model} is live, version {live.version}"
            return f"{record.run.status}; {words}"
    return exit_codes.MEANINGS.get(status, f"exit status {status}")
