"""Processes that run the executors of steps, with TFX already imported.

They are forked from a process that has imported TFX once (multiprocessing's fork
server), and never from one in which TensorFlow has started threads. Each is started for
the first step that finds no idle one, and used again for the next. All have ended when
``Workers`` is left.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from multiprocessing import forkserver
from types import TracebackType
from typing import TYPE_CHECKING, cast

from pipeline import main_module
from pipeline.runs import step_log

if TYPE_CHECKING:  # TFX takes seconds to import
    from pipeline.runs.worker_process import Call, Ended, Progress

GRACE_SECONDS = 10.0  # from stopping a worker until it is killed
_DRAIN_SECONDS = 5.0  # for the last lines of a step that left a process behind
_MAX_TEMPDIR = 70  # the path of a socket has at most 107 bytes, 31 of them below it
_PRELOADED = "pipeline.runs.worker_imports"


class WorkerDiedError(RuntimeError):
    """A worker ended while it ran a step."""


class WorkerTracebackError(Exception):
    """Shows where in a worker an exception was raised, as its cause."""

    def __str__(self) -> str:
        """Returns the traceback."""
        return f"\n{self.args[0]}"


def start_importing() -> None:
    """Starts the process from which workers are forked; it imports TFX meanwhile."""
    multiprocessing.set_forkserver_preload([_PRELOADED])
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > _MAX_TEMPDIR:
        tempfile.tempdir = "/tmp"
    try:
        forkserver.ensure_running()  # makes its socket in a temporary folder
    finally:
        tempfile.tempdir = before


class Workers:
    """A pool of workers; its methods may be called from any thread.

    Attributes:
        peak_memory: Step → peak memory of the worker that ran it, in bytes; None if it
            is not known.
    """

    def __init__(self) -> None:
        self.peak_memory: dict[str, int | None] = {}
        self._lock = threading.Lock()
        self._all: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._closing = False

    def __enter__(self) -> "Workers":
        """Starts to import what the workers need."""
        start_importing()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends all workers, those that are running a step too."""
        with self._lock:
            self._closing = True
        for worker in self._all:
            worker.stop()
        deadline = time.monotonic() + GRACE_SECONDS
        for worker in self._all:
            worker.end(deadline)

    def run(self, step: str, call: "Call") -> bytes:
        """Runs a step in an idle worker, or in a new one.

        Args:
            step: Name of the step, for the log.
            call: What to run.

        Returns:
            The serialised ``ExecutorOutput``.

        Raises:
            BaseException: What the executor raised.
            KeyboardInterrupt: If the workers are being ended.
            WorkerDiedError: If the worker ended without a result.
        """
        with self._lock:
            if self._closing:
                raise KeyboardInterrupt
            if not self._idle:
                worker = _Worker()
                self._all.append(worker)
            else:
                worker = self._idle.pop()
        try:
            ended = worker.run(step, call)
            self.peak_memory[step] = ended.peak_memory
            if ended.error is not None:
                raise ended.error from WorkerTracebackError(ended.traceback)
            return ended.output
        except BaseException:
            if self._closing:
                raise KeyboardInterrupt from None
            raise
        finally:
            if worker.is_usable:
                self._idle.append(worker)


class _Worker:
    """One process."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("forkserver")
        self._calls, calls = context.Pipe()
        self._output, output = context.Pipe(duplex=False)
        from pipeline.runs.worker_process import work

        self._process = context.Process(
            target=work, args=(calls, output, os.getcwd()), name="marquee worker"
        )
        with main_module.hidden():
            self._process.start()
        self._pid = cast("int", self._process.pid)  # it has been started
        calls.close()  # so that both end with the process
        output.close()
        self._step = ""
        self.is_usable = True
        self._written = threading.Event()  # all output of the step is in the log
        self._log = threading.Thread(target=self._copy_output, daemon=True)
        self._log.start()

    def run(self, step: str, call: "Call") -> "Ended":
        """Runs a step, and returns how it ended; see ``Workers.run``."""
        from pipeline.runs.worker_process import Ended

        self._step = step
        self._written.clear()
        try:
            self._calls.send(call)
            while not isinstance(reply := self._calls.recv(), Ended):
                _log_progress(step, reply)
        except (OSError, EOFError):
            self.is_usable = False
            self._process.join(GRACE_SECONDS)
            raise WorkerDiedError(_explain(self._process.exitcode)) from None
        self._written.wait(_DRAIN_SECONDS)
        return reply

    def stop(self) -> None:
        """Interrupts the step that it runs, and ends the process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)

    def end(self, deadline: float) -> None:
        """Waits until the process has ended, and kills it at the deadline.

        Args:
            deadline: A time on the monotonic clock.
        """
        self._process.join(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)  # what it started, too
        self._process.kill()
        self._process.join()
        self._log.join(_DRAIN_SECONDS)
        self._calls.close()

    def _copy_output(self) -> None:
        """Copies the worker's output to standard error, line by line, with its step."""
        from pipeline.runs.worker_process import END_OF_STEP

        with (
            contextlib.suppress(OSError),
            open(self._output.fileno(), "rb", closefd=False) as lines,
        ):
            for line in lines:
                if line.endswith(END_OF_STEP):
                    self._written.set()
                    line = line.removesuffix(END_OF_STEP)
                if line:
                    text = line.decode(errors="replace").rstrip("\n")
                    os.write(2, f"{step_log.prefixed(self._step, text)}\n".encode())
        self._written.set()


def _log_progress(step: str, progress: "Progress") -> None:
    """Logs a message of a step as if the step ran in this process."""
    logging.getLogger(step_log.PROGRESS_LOGGER).log(
        progress.level,
        "%s",
        progress.message,
        extra={"progress": progress.progress, "step": step},
    )


def _explain(exit_code: int | None) -> str:
    if exit_code == -signal.SIGKILL:
        return (
            "its process was killed by SIGKILL, probably because memory ran out. Use "
            "fewer --jobs, or a lower --max-memory"
        )
    if exit_code is not None and exit_code < 0:
        return f"its process was ended by {signal.Signals(-exit_code).name}"
    return f"its process ended with exit status {exit_code} and without a result"
