"""What this process may use of the machine: in a container, the container's share."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CGROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# Files of version 2, then of version 1: the limit, and what is used of it.
_MEMORY = (
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)


@dataclass(frozen=True)
class Memory:
    """Memory that this process may take.

    Attributes:
        free: Bytes that are left.
        total: Bytes that there are.
        is_limited: Whether a control group sets the bound, rather than the machine.
    """

    free: float
    total: float
    is_limited: bool


def memory(cgroups: Path = _CGROUPS, own: Path = _OWN) -> Memory:
    """Returns the least of what the machine has and what control groups allow."""
    page = os.sysconf("SC_PAGE_SIZE")
    free, total = (
        os.sysconf(name) * page for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES")
    )
    found = Memory(free, total, is_limited=False)
    for folder in _folders("memory", cgroups, own):
        for limit_file, used_file in _MEMORY:
            for limit in _numbers(folder / limit_file):
                if limit < found.total:
                    used = sum(_numbers(folder / used_file))
                    left = min(found.free, max(0.0, limit - used))
                    found = Memory(left, limit, is_limited=True)
    return found


def cores(cgroups: Path = _CGROUPS, own: Path = _OWN) -> int:
    """Returns how many cores this process may keep busy, at least 1."""
    allowed = float(len(os.sched_getaffinity(0)))
    for folder in _folders("cpu", cgroups, own):
        quota = _numbers(folder / "cpu.max") or [
            *_numbers(folder / "cpu.cfs_quota_us"),
            *_numbers(folder / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and quota[0] > 0:  # -1 and "max" are no limit
            allowed = min(allowed, quota[0] / quota[1])
    return max(1, math.floor(allowed))


def _folders(controller: str, cgroups: Path, own: Path) -> Iterator[Path]:
    """The control group of this process and those above it, of either version."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        roots = (
            [cgroups / controller] if controllers else [cgroups, cgroups / "unified"]
        )
        for root in roots:
            folder = root / path.lstrip("/")
            yield folder
            # In a container the path may be one of the host's: the root is its own.
            yield from (above for above in folder.parents if above.is_relative_to(root))


def _numbers(file: Path) -> list[float]:
    """The numbers in a file, "max" as infinity; none where there is no such file."""
    try:
        return [float(word.replace("max", "inf")) for word in file.read_text().split()]
    except (OSError, ValueError):
        return []
