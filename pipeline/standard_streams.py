"""Standard streams that print whatever there is to print, to whoever is there.

A terminal or a log may know ASCII only, and a reader may go away (``marquee show |
head -1``) or never have been there (``>&-``): none of that may end a command.
"""

import codecs
import io
import os
import select
import sys
from typing import IO

# What the command's own signs are where an encoding lacks them; others become "?".
_PLAIN = {
    **{"✓": "+", "✗": "x", "·": "-", "×": "x", "–": "-", "—": "-", "−": "-"},
    **{"…": "...", "→": "->", "±": "+-", "•": "*", "│": "|", "─": "-", "━": "-"},
    **{"‘": "'", "’": "'", "“": '"', "”": '"', "\N{NO-BREAK SPACE}": " "},
}
_ERRORS = "marquee.plain"


def prepare() -> None:
    """Makes the standard streams fit to be printed to.

    Called once, before anything is printed. Closed ones lead to nowhere then, so that
    no file that is opened later takes their place.
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
            setattr(sys, name, stream)  # open for good
        elif isinstance(stream, io.TextIOWrapper) and mode == "w":
            stream.reconfigure(errors=_ERRORS)


def reader_is_gone() -> bool:
    """Returns whether standard output is a pipe that nobody reads any more."""
    poll = select.poll()
    poll.register(1, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def silence(file: IO[str]) -> None:
    """Lets what is still written to a file, whose reader is gone, lead to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, file.fileno())
    os.close(nowhere)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """The error handler: what to write for characters that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c, "?") for c in lost), error.end
