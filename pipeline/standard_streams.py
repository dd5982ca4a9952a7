"""Standard streams that accept any text and survive a missing reader.

A terminal or a log may support only ASCII. A reader may close the pipe (``marquee show
| head -1``), or the stream may be closed from the start (``>&-``). A command must not
fail because of that.
"""

import codecs
import io
import os
import select
import sys
from typing import IO

# Replacements of the command's own symbols in limited encodings; others become "?".
_PLAIN = {
    **{"✓": "+", "✗": "x", "·": "-", "×": "x", "–": "-", "—": "-", "−": "-"},
    **{"…": "...", "→": "->", "±": "+-", "•": "*", "│": "|", "─": "-", "━": "-"},
    **{"‘": "'", "’": "'", "“": '"', "”": '"', "\N{NO-BREAK SPACE}": " "},
}
_ERRORS = "marquee.plain"


def prepare() -> None:
    """Prepares the standard streams, once and before anything is printed.

    Closed streams are redirected to the null device, so that no file that is opened
    later gets their descriptor.
    """
    codecs.register_error(_ERRORS, _plain)
    for number, name, mode in (
        (0, "stdin", "r"),
        (1, "stdout", "w"),
        (2, "stderr", "w"),
    ):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)  # stays open
        elif isinstance(stream, io.TextIOWrapper) and mode == "w":
            stream.reconfigure(errors=_ERRORS)


def reader_is_gone() -> bool:
    """Returns whether standard output is a pipe whose reader has closed it."""
    poll = select.poll()
    poll.register(1, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def silence(file: IO[str]) -> None:
    """Discards what is still written to a stream whose reader is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, file.fileno())
    os.close(nowhere)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Error handler: returns a replacement for characters that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c, "?") for c in lost), error.end
