"""The peak memory of a step: that of the process which runs its executor.

Linux counts it since the process began, or since the count was reset. Processes of Beam
beside that one (``beam.processes``) are not counted.
"""

import contextlib
import re
from pathlib import Path

_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"  # proc(5): "Reset the peak resident set size"


def count_from_now() -> None:
    """Forgets the peak so far; without permission, the count goes on."""
    with contextlib.suppress(OSError):
        _RESET.write_text(_RESET_PEAK)


def peak() -> int | None:
    """Returns the peak since then, in bytes; None if the system does not count it."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
