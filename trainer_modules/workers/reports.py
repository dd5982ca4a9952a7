"""What a worker reports while it trains: lines of JSON, through a pipe."""

import contextlib
import dataclasses
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import TextIO

PULSE_SECONDS = 1.0  # a worker that is stopped by its machine has no pulse
LOST_STATUS = 75  # sysexits.h, EX_TEMPFAIL: it lost the other workers

progress_log = logging.getLogger("marquee.progress")


@dataclasses.dataclass(frozen=True)
class Report:
    """What is heard from a worker.

    Attributes:
        worker: Number of the worker; 0 is the chief.
        record: What it logged, as the arguments of ``logging.makeLogRecord``; None if
            the report is a mere sign of life, or the last one.
        error: The message of the error that ended its training.
        status: Exit status of its process, negative for a signal, in the last report.
    """

    worker: int
    record: Mapping[str, object] | None = None
    error: str | None = None
    status: int | None = None


class Reporter(logging.Handler):
    """Sends what a worker logs, and a pulse, to the process that started it."""

    def __init__(self, pipe: TextIO):
        super().__init__(logging.DEBUG)
        self._pipe = pipe
        self._whole_lines = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Sends a message, also one below the level that is shown: it is progress."""
        names = ("levelno", "levelname", "progress")
        sent = {name: vars(record)[name] for name in names if name in vars(record)}
        self.send(record=sent | {"msg": record.getMessage()})

    def send(self, **report: object) -> None:
        """Sends the attributes of a ``Report``."""
        with self._whole_lines:
            self._pipe.write(json.dumps(report) + "\n")
            self._pipe.flush()


@contextlib.contextmanager
def reporting() -> Iterator[Reporter]:
    """Reports through the standard output, to which nothing else is written then."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    reporter = Reporter(pipe)
    progress_log.addHandler(reporter)
    progress_log.setLevel(logging.DEBUG)
    progress_log.propagate = False  # the output is for what went wrong
    ended = threading.Event()

    def pulse() -> None:
        while not ended.is_set():
            reporter.send()
            ended.wait(PULSE_SECONDS)

    threading.Thread(target=pulse, daemon=True).start()
    try:
        yield reporter
    finally:
        ended.set()
