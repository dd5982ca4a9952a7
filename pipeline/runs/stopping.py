"""Stops a run on a signal, and makes it end with the process that started it."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from trainer_modules import parent_process

# SIGHUP: the terminal or the session that the run was started in has ended.
SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):  # noqa: N818 - no error, like its parent
    """A signal stopped the run.

    Attributes:
        number: Number of the signal.
    """

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP raise ``Stopped``, as Ctrl-C raises its parent class.

    Locks, temporary files and unfinished versions are then cleaned up as after Ctrl-C.
    A second signal of the same kind ends the process immediately. A signal that is
    ignored, as SIGHUP is under ``nohup``, stays ignored.
    """

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """Returns the ^C or signal behind an error: Beam makes a RuntimeError of one."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def follow_parent() -> None:
    """Lets the parent stop this process with SIGINT, and ends it with the parent.

    When the parent ends, the kernel sends SIGTERM. A shell script starts background
    commands with SIGINT ignored, which their children inherit: a scheduler that was
    started in this way could not stop its run.

    Must be called in a child between fork and exec; it stays in effect after exec.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent_process.end_with_parent(signal.SIGTERM)
