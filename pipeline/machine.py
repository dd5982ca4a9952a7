"""The memory and cores that this process may use, inside a container or outside."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CGROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# Files of control groups version 2, then 1: the limit, and the memory in use.
_MEMORY = (
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)


@dataclass(frozen=True)
class Memory:
    """Memory that this process may use.

    Attributes:
        free: Free memory in bytes.
        total: Total memory in bytes.
        is_limited: Whether a control group sets the limit rather than the machine.
    """

    free: float
    total: float
    is_limited: bool


def memory(cgroups: Path = _CGROUPS, own: Path = _OWN) -> Memory:
    """Returns the memory of the machine or of the tightest control group."""
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
    """Returns the number of cores that this process may use, at least 1."""
    allowed = float(len(os.sched_getaffinity(0)))
    for folder in _folders("cpu", cgroups, own):
        quota = _numbers(folder / "cpu.max") or [
            *_numbers(folder / "cpu.cfs_quota_us"),
            *_numbers(folder / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and quota[0] > 0:  # -1 and "max" mean no limit
            allowed = min(allowed, quota[0] / quota[1])
    return max(1, math.floor(allowed))


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Returns whether there is a GPU from NVIDIA, without importing TensorFlow."""
    return (devices / "nvidiactl").exists()


def _folders(controller: str, cgroups: Path, own: Path) -> Iterator[Path]:
    """Yields the control group of this process and its parents, of either version."""
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
            # In a container, the path may be the host's, the root is the container's.
            yield from (above for above in folder.parents if above.is_relative_to(root))


def _numbers(file: Path) -> list[float]:
    """Returns the numbers in a file, "max" as infinity; empty without the file."""
    try:
        return [float(word.replace("max", "inf")) for word in file.read_text().split()]
    except (OSError, ValueError):
        return []
