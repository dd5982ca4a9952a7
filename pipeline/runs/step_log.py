"""Names the step that a line of the log is from, while several steps run at once."""

import contextlib
import contextvars
import logging
from collections.abc import Iterator

PROGRESS_LOGGER = "marquee.progress"  # its messages are shown to the user
LINE_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_step = contextvars.ContextVar("step", default="")


@contextlib.contextmanager
def named(step: str) -> Iterator[None]:
    """Prefixes the log messages of this thread with a step's name."""
    token = _step.set(step)
    try:
        yield
    finally:
        _step.reset(token)


def prefixed(step: str, line: str) -> str:
    """Returns a line of a step's log; without a step, the line as it is."""
    return f"[{step}] {line}" if step else line


class StepFormatter(logging.Formatter):
    """Formats a message, with the name of the step before each of its lines."""

    def __init__(self) -> None:
        super().__init__(LINE_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Returns the message."""
        step, text = _step.get(), super().format(record)
        return "\n".join(prefixed(step, line) for line in text.split("\n"))
