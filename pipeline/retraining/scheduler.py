"""The scheduler: starts a command at the times of a cron expression.

APScheduler parses cron expressions and wakes the scheduler up every minute. At each
wake-up, what is due is computed from the log. So a suspended machine, a scheduler that
was down, a clock that was set and a run that took too long are the same case, and no
state is lost with the process.

Each run is a separate process: if it is killed, the schedule continues.
"""

import datetime
import logging
import logging.handlers
import queue
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from pipeline import exit_codes
from pipeline.retraining.cron_schedule import Schedule
from pipeline.retraining.run_process import RunProcess, Timing, utc_now, verdict_on
from pipeline.retraining.schedule_log import (
    PUNCTUAL,
    Entry,
    append,
    read,
)
from pipeline.runs import lock, stopping

LOCK_FILE = "schedule.lock"

Missed = Literal["once", "skip"]


class Keeper:
    """Keeps a schedule: starts what is due, and records the results.

    Args:
        schedule: Times at which to start the command.
        missed: How to handle missed firings: ``once`` runs once for all of them,
            ``skip`` waits for the next one.
        out: Output folder.
        command: Command to start, with the exit statuses of ``marquee run``.
        report: Called with the entry of each firing that has ended or was skipped.
        timing: Clock and time limits.
    """

    def __init__(
        self,
        schedule: Schedule,
        missed: Missed,
        out: Path,
        command: Sequence[str],
        report: Callable[[Entry], None],
        timing: Timing | None = None,
    ):
        self._schedule, self._missed = schedule, missed
        self._out = out
        self._report, self._timing = report, timing or Timing()
        self._now = self._timing.now
        self._handled = self._now()
        self._process = RunProcess(out, command, self._timing)

    def resume(self) -> None:
        """Resumes from the log, creating it if needed."""
        last = next(reversed(read(self._out)), None)
        if last and last.event == "started":
            # Not run again: it may have crashed the machine.
            verdict = "unknown: the scheduler ended before the run"
            self._write(msgspec.structs.replace(last, event="ended", verdict=verdict))
        schedule = (self._schedule.cron, self._schedule.timezone)
        if last and (last.cron, last.timezone) == schedule:
            self._handled = last.due
            if last.exit_status == exit_codes.INTERRUPTED and self._missed == "once":
                # Stopped together with the scheduler: due again.
                self._handled -= datetime.timedelta(seconds=1)
        else:  # firings that another schedule missed do not count
            self._write(self._entry("scheduled", self._now()))

    def fire(self) -> None:
        """Runs what is due, and then what has become due in the meantime."""
        while not self._process.is_stopping:
            now = self._now()
            # A clock that was ahead may have left a time in the future.
            self._handled = min(self._handled, now)
            due, count = self._schedule.due(self._handled, now)
            if due is None:
                return
            late = now - due
            if self._missed == "skip" and late > PUNCTUAL:
                verdict = "missed, and skipped"
                self._write(
                    self._entry("skipped", due, missed=count - 1, verdict=verdict)
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
        """Starts no more runs, and stops the one in progress."""
        self._process.stop()

    def kill(self) -> None:
        """Kills the run in progress and all processes that it started."""
        self._process.kill()

    def _run(self, entry: Entry) -> None:
        self._write(entry)
        deadline = time.monotonic() + self._timing.limit.total_seconds()
        title = entry.local(entry.due)
        status, run = self._process.run(title, deadline)
        while status == exit_codes.BUSY and self._missed == "once":
            left = deadline - time.monotonic()
            self._process.wait_for_stop(min(self._timing.retry_seconds, max(left, 0)))
            if time.monotonic() >= deadline:
                break
            status, run = self._process.run(title, deadline)
        verdict = verdict_on(self._out, status, run)
        if time.monotonic() > deadline and status != exit_codes.OK:
            verdict += f"; the limit of {self._timing.limit_in_words} was exceeded"
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
            self._report(entry)


def keep(keeper: Keeper, out: Path, started: Callable[[], None]) -> int:
    """Keeps a schedule until SIGTERM, SIGINT or SIGHUP; a second one kills the run.

    Args:
        keeper: Keeper of the schedule.
        out: Output folder, in which only one scheduler may run.
        started: Called once the schedule is in force.

    Returns:
        The exit status.

    Raises:
        BusyError: If another scheduler is running in the folder.
        ConfigError: If the folder is not writable.
    """
    with lock.held(out / LOCK_FILE, "scheduler"):
        keeper.resume()
        # A handler may run at any moment, so it must not take a lock: a SimpleQueue is
        # reentrant, an Event is not.
        signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        caught = [
            number
            for number in (signal.SIGINT, *stopping.SIGNALS)
            if signal.getsignal(number) is not signal.SIG_IGN  # as under nohup
        ]
        for number in caught:
            signal.signal(number, lambda number, _: signals.put(number))
        # APScheduler would warn every minute while a run takes longer than that.
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
        scheduler.shutdown()  # after the run has ended and its line is written
    return (
        exit_codes.OK
        if stopped_by == signal.SIGTERM
        else exit_codes.SIGNALLED + stopped_by
    )
