"""The log of the server on standard error: lines for people, or JSON for machines."""

import datetime
import json
import logging
import os
import sys
import threading
from typing import Literal

Format = Literal["text", "json"]
VARIABLE = "MARQUEE_LOG_FORMAT"  # for the processes of versions, too


class JsonFormatter(logging.Formatter):
    """Formats a message as one JSON object, in one line of ASCII.

    Its keys are ``time`` (ISO 8601 in UTC), ``level``, ``logger``, ``message`` and,
    with an exception, ``exception``: the traceback. Other characters are escaped, so
    that no line separator in a message and no encoding of standard error can break it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def begin(format: Format) -> None:
    """Writes the messages of this process, and of those it starts, in a format."""
    os.environ[VARIABLE] = format
    handler = logging.StreamHandler(sys.stderr)
    if format == "json":
        handler.setFormatter(JsonFormatter())
        # Otherwise Python prints these itself.
        logging.captureWarnings(True)
        threading.excepthook = _log_end_of_thread
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def continue_in_process() -> None:
    """Does the same in a process that the server has started."""
    if os.environ.get(VARIABLE) == "json":
        begin("json")


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    name = ended.thread.name if ended.thread else "a thread"
    if ended.exc_value is not None:
        logging.getLogger(__name__).error("%s ended", name, exc_info=ended.exc_value)
