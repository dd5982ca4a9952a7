"""Makes a process end with the one that started it."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)  # before any fork, which must not load it


def end_with_parent(by: signal.Signals) -> None:
    """Makes the kernel send a signal when the thread that started the process ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, by)
