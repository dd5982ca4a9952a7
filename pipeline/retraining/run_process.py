"""The process of a scheduled run: starts it, limits its time, and stops it."""

import contextlib
import dataclasses
import datetime
import logging.handlers
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from pipeline import exit_codes
from pipeline.retraining.schedule_log import MAX_LOG_BYTES
from pipeline.runs import finished_runs, lock, stopping

OUTPUT_FILE = "schedule.log"

_OLD_OUTPUTS = 3
RETRY_SECONDS = 60.0
# From stopping a run until it is killed. Longer than a training step, during which
# Python handles no signals.
GRACE_SECONDS = 60.0
LIMIT = datetime.timedelta(hours=12)


def utc_now() -> datetime.datetime:
    """Returns the current time in UTC."""
    return datetime.datetime.now(datetime.UTC)


@dataclasses.dataclass(frozen=True)
class Timing:
    """Clock and time limits of a schedule.

    Attributes:
        now: Clock that returns the current time in UTC.
        limit: How long a firing may take, including the time it waits for another run.
        retry_seconds: Time after which a run that found another one running is tried
            again.
        grace_seconds: Time from stopping a run that exceeded the limit to killing it.
    """

    now: Callable[[], datetime.datetime] = utc_now
    limit: datetime.timedelta = LIMIT
    retry_seconds: float = RETRY_SECONDS
    grace_seconds: float = GRACE_SECONDS

    @property
    def limit_in_words(self) -> str:
        """The limit in hours."""
        return f"{self.limit.total_seconds() / 3600:g} hours"


class RunProcess:
    """Runs a command, one process at a time.

    Args:
        out: Output folder.
        command: Command to start, with the exit statuses of ``marquee run``.
        timing: Time limits.
    """

    def __init__(self, out: Path, command: Sequence[str], timing: Timing):
        self._out, self._command, self._timing = out, command, timing
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    def wait_for_stop(self, seconds: float) -> None:
        """Waits until ``stop`` is called, at most for a time."""
        self._stopping.wait(seconds)

    def run(self, title: str, deadline: float) -> tuple[int | None, str | None]:
        """Runs the command and waits for its end.

        Args:
            title: Heading of the run's output.
            deadline: Time at which it is stopped, on the monotonic clock.

        Returns:
            The exit status and the ID of the run; None where there is none.
        """
        _put_aside(self._out / OUTPUT_FILE)
        with open(self._out / OUTPUT_FILE, "ab", buffering=0) as output:
            output.write(f"\n== {title} ==\n".encode())
            with self._starting:
                if self._stopping.is_set():
                    return exit_codes.INTERRUPTED, None
                try:
                    # A separate session: Ctrl-C in a terminal reaches only the
                    # scheduler, so that the run gets one signal.
                    process = subprocess.Popen(
                        self._command,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        # The run ends with this process, even if that is killed.
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
        """Returns the exit status of a run, which is stopped at the deadline."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(deadline - time.monotonic())
        message = f"The run exceeded {self._timing.limit_in_words} (retrain.max_hours)"
        output.write(f"{message} and is being stopped.\n".encode())
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(self._timing.grace_seconds)
        output.write(b"It did not stop and is being killed with all its processes.\n")
        self.kill()
        return process.wait()

    def stop(self) -> None:
        """Starts no more runs, and stops the one in progress."""
        with self._starting:
            self._stopping.set()
            if self._process:
                self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Kills the run in progress and all processes that it started."""
        if process := self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _put_aside(output: Path) -> None:
    """Renames a long output file to ``.1`` and removes the oldest such file."""
    if output.exists() and output.stat().st_size > MAX_LOG_BYTES:
        logging.handlers.RotatingFileHandler(
            output, backupCount=_OLD_OUTPUTS, delay=True
        ).doRollover()


def verdict_on(out: Path, status: int | None, run_id: str | None) -> str:
    """Returns the result of a run, in words."""
    if status is None:
        return f"could not be started; see {OUTPUT_FILE}"
    if status < 0:
        verdict = f"killed by signal {-status} ({signal.strsignal(-status)})"
        if -status == signal.SIGKILL:
            verdict += ", possibly by the kernel because memory ran out"
        return verdict
    if status in (exit_codes.INTERRUPTED, exit_codes.TERMINATED):
        return "stopped"
    if run_id is not None and status != exit_codes.UNEXPECTED:
        # The run may have ended before its record was written.
        with contextlib.suppress(finished_runs.RunNotFoundError):
            record = finished_runs.read(out, run_id)
            live = "none is live"
            if record.live.model:
                live = f"{record.live.model} is live, version {record.live.version}"
            return f"{record.run.status}; {live}"
    return exit_codes.MEANINGS.get(status, f"exit status {status}")
