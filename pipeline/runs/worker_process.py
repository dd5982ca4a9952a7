"""Main function of a worker: runs one step after the other, as it receives them."""

import contextlib
import logging
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from multiprocessing import connection, forkserver, parent_process
from multiprocessing.connection import Connection
from typing import TextIO

from absl import logging as absl_logging
from tfx.orchestration.portable import beam_executor_operator, python_executor_operator
from tfx.orchestration.python_execution_binary import python_execution_binary_utils
from tfx.proto.orchestration import executable_spec_pb2

from pipeline import exit_codes
from pipeline.beam import forked_workers
from pipeline.runs import step_log, step_memory, stopping
from pipeline.runs.portable_errors import portable

END_OF_STEP = b"\0end of step\n"  # in the output, after all that a step wrote


@dataclass(frozen=True)
class Call:
    """A step to run, in TFX's own serialisation.

    Attributes:
        execution_info: Inputs, outputs and parameters of the step.
        executable_spec: The executor's class, and its Beam flags.
        with_beam: Whether the executor uses Beam.
    """

    execution_info: str
    executable_spec: str
    with_beam: bool


@dataclass(frozen=True)
class Progress:
    """A message of a step for the person who watches the run."""

    message: str
    level: int
    progress: dict[str, object] | None


@dataclass(frozen=True)
class Ended:
    """How a step ended.

    Attributes:
        output: The serialised ``ExecutorOutput``, if it succeeded.
        error: The exception, if it failed.
        traceback: The exception's traceback.
        peak_memory: Peak memory of the process while it ran the step, in bytes; None if
            it is not known.
    """

    output: bytes = b""
    error: BaseException | None = None
    traceback: str = ""
    peak_memory: int | None = None


def work(calls: Connection, output: Connection, folder: str) -> None:
    """Runs steps until the connection is closed.

    Args:
        calls: Brings each ``Call``, and takes ``Progress`` and then ``Ended``.
        output: Takes what the process writes to its standard streams.
        folder: The working directory.
    """
    os.setpgid(0, 0)  # Ctrl-C in a terminal reaches only the run itself, which ends us
    threading.Thread(target=_end_with_run, daemon=True).start()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    forked_workers.register()
    # Beam's workers are forked from the process that this one was forked from, too.
    # Python 3.11 would start and import another.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
    _redirect_output(output)
    _send_progress(calls)
    try:
        with stopping.stopped_by_signals():
            while True:
                ended = _run(calls.recv())
                sys.stdout.flush()
                sys.stderr.flush()
                os.write(2, END_OF_STEP)
                calls.send(ended)
    except EOFError:
        return
    except stopping.Stopped as stop:
        sys.exit(exit_codes.SIGNALLED + stop.number)


def _run(call: Call) -> Ended:
    """Runs a step as TFX does."""
    step_memory.count_from_now()
    try:
        spec = python_execution_binary_utils.deserialize_executable_spec(
            call.executable_spec, call.with_beam
        )
        operator = (
            beam_executor_operator.BeamExecutorOperator(spec)
            if isinstance(spec, executable_spec_pb2.BeamExecutableSpec)
            else python_executor_operator.PythonExecutorOperator(spec)
        )
        info = python_execution_binary_utils.deserialize_execution_info(
            call.execution_info
        )
        output = operator.run_executor(info).SerializeToString()
        return Ended(output, peak_memory=step_memory.peak())
    except BaseException as error:
        raised = stopping.interrupt_behind(error) or error
        if isinstance(raised, stopping.Stopped):
            raise raised from None
        text = "".join(traceback.format_exception(error))
        peak = step_memory.peak()
        return Ended(error=portable(raised), traceback=text, peak_memory=peak)


def _end_with_run() -> None:
    """Ends this process, and all that it started, when the run's process has ended."""
    run = parent_process()
    if run is not None:
        connection.wait([run.sentinel])
        os.killpg(0, signal.SIGKILL)


def _redirect_output(output: Connection) -> None:
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    output.close()
    sys.stdout, sys.stderr = _line_by_line(1), _line_by_line(2)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(step_log.LINE_FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    absl_logging.set_verbosity(absl_logging.INFO)


def _line_by_line(fd: int) -> TextIO:
    return open(fd, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)


def _send_progress(calls: Connection) -> None:
    class Sender(logging.Handler):
        """Sends messages to the run, which logs and shows them."""

        def emit(self, record: logging.LogRecord) -> None:
            progress = getattr(record, "progress", None)
            with contextlib.suppress(OSError):  # the run has ended
                calls.send(Progress(record.getMessage(), record.levelno, progress))

    logger = logging.getLogger(step_log.PROGRESS_LOGGER)
    logger.setLevel(logging.INFO)
    logger.handlers[:] = [Sender()]
    logger.propagate = False
