"""The terminal, which shows only what is meant for people.

The output of TensorFlow, Beam and TFX goes to a log, from Python and C++ alike
(``captured_output``). Texts from data or errors are shown literally, without markup or
control characters.
"""

import contextlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from absl import logging as absl_logging
from rich.console import Console, ConsoleDimensions
from rich.text import Text

from pipeline import standard_streams
from pipeline.runs.step_log import StepFormatter
from pipeline.views.formatting import inert

_ERROR_LINES = 20  # of a step's error; the log has all of it


class Terminal(Console):
    """A console that takes its size from its own file, as fd 1 may be a log by now."""

    @property
    def size(self) -> ConsoleDimensions:
        """Width and height in characters."""
        if self._width is None and self.is_terminal:
            with contextlib.suppress(OSError, ValueError):
                columns, lines = os.get_terminal_size(self.file.fileno())
                if columns and lines:
                    return ConsoleDimensions(columns, lines)
        return super().size

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def on_broken_pipe(self) -> None:
        """Continues silently: a run is worth more than its progress lines."""
        self.quiet = True
        standard_streams.silence(self.file)


def open_console(file: IO[str] | None = None, width: int | None = None) -> Terminal:
    """Returns a console on a file, or standard output, that interprets no markup."""
    return Terminal(file=file, width=width, highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def captured_output(log: Path, verbose: bool = False) -> Iterator[Terminal]:
    """Sends the output of the process to a log, and yields a console for the user.

    That includes what C++ writes to file descriptors 1 and 2. Python's loggers write
    to the log with times, from INFO on. Everything is restored at the end.

    Args:
        log: File to append to.
        verbose: Whether to show the log on standard error, too.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with contextlib.ExitStack() as undo:
        log_file = undo.enter_context(log.open("a", encoding="utf-8", buffering=1))
        saved = {fd: os.dup(fd) for fd in (1, 2)}
        for copy in saved.values():
            undo.callback(os.close, copy)
        person = undo.enter_context(
            open(saved[1], "w", encoding=sys.stdout.encoding,
                 errors=sys.stdout.errors, closefd=False)
        )  # fmt: skip
        if verbose:
            undo.enter_context(_followed(log, saved[2]))
        undo.callback(root.setLevel, level)
        undo.callback(root.handlers.__setitem__, slice(None), handlers)
        undo.callback(_point, saved)
        _point(dict.fromkeys(saved, log_file.fileno()))
        # Line-buffered streams. They are never closed: a library that uses one for its
        # logger may write to it, and thus to the terminal, after the run.
        undo.enter_context(contextlib.redirect_stdout(_line_by_line(1)))
        undo.enter_context(contextlib.redirect_stderr(_line_by_line(2)))
        handler = logging.StreamHandler(log_file)
        handler.setFormatter(StepFormatter())
        root.handlers[:] = [handler]
        root.setLevel(logging.INFO)
        # TFX's own level, which TensorFlow may have set since.
        undo.callback(absl_logging.set_verbosity, absl_logging.get_verbosity())
        absl_logging.set_verbosity(absl_logging.INFO)
        yield open_console(person)


@contextlib.contextmanager
def hidden_output(verbose: bool = False) -> Iterator[Terminal]:
    """Captures the output in a temporary log; see ``captured_output``.

    Args:
        verbose: Whether to show the log on standard error.
    """
    with (
        tempfile.NamedTemporaryFile(suffix=".log") as log,
        captured_output(Path(log.name), verbose) as console,
    ):
        yield console


def _line_by_line(fd: int) -> IO[str]:
    return open(fd, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)


def _point(targets: Mapping[int, int]) -> None:
    """Redirects file descriptors to others, after flushing what is buffered."""
    sys.stdout.flush()
    sys.stderr.flush()
    for fd, target in targets.items():
        os.dup2(target, fd)


@contextlib.contextmanager
def _followed(log: Path, target: int) -> Iterator[None]:
    """Copies what is appended to a file to a file descriptor, as it arrives."""
    finished = threading.Event()

    def follow() -> None:
        with log.open("rb") as added:
            added.seek(0, os.SEEK_END)
            ready.set()
            last = False
            while not last:
                last = finished.wait(0.1)
                while chunk := added.read(1 << 16):
                    os.write(target, chunk)

    ready = threading.Event()
    thread = threading.Thread(target=follow, name="log on standard error", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def error_text(message: str, most: int = _ERROR_LINES) -> Text:
    """Returns the lines of an error, indented and inert, up to a maximum number."""
    lines = message.strip().splitlines()
    shown = [f"    {inert(line)}" for line in lines[:most]]
    if len(lines) > most:
        shown.append(f"    ... {len(lines) - most} more lines in the log")
    return Text("\n".join(shown))
