"""Whether a file is locked, queried without the code under test."""

import fcntl
from pathlib import Path


def is_locked(path: Path) -> bool:
    """Returns whether a process holds the lock of a file, according to the kernel."""
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
