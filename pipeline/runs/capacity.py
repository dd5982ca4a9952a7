"""How many steps may run at once: what the cores and the memory of a machine allow.

The estimate of memory is the same for every step, and rough on purpose: the peak of
``marquee run`` in docs/benchmarks.md, which ran its steps one after the other, is 1.12
GB at 1 million ratings and 2.24 GB at 10 million (23 bytes each), and 1.42 GB with the
models of MovieLens 1M. A step of two workers costs less, as they share what they have
imported.
"""

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from components.wording import counted
from pipeline import machine
from pipeline.config.sections import BeamConfig, RunConfig

_GB = 1e9
_STEP_BYTES = 1.3 * _GB
_STEP_BYTES_PER_BYTE_OF_RATINGS = 6.0
# Memory of a Beam process beyond what it shares with the one that it is forked from.
_BEAM_PROCESS_BYTES = 0.5 * _GB
# Below this size of the ratings' files, further processes cost more than they gain.
_BYTES_WORTH_PROCESSES = 70e6
_OWN_BYTES = 1.0 * _GB  # of Marquee's own process: TFX, and ML Metadata
_SHARE = 0.8  # of the machine's memory, if no bound is set
_UNITS = {"MB": 1e6, "GB": 1e9}


class Limits(NamedTuple):
    """What may run at once.

    Attributes:
        jobs: Number of steps.
        beam_processes: Number of processes of a step over all ratings.
    """

    jobs: int
    beam_processes: int


@dataclass(frozen=True)
class Capacity:
    """Number of steps that may run at once, and what it follows from.

    Attributes:
        jobs: The number of steps, at least 1.
        cores: Number of cores.
        memory: Memory that the run may use, in bytes.
        step_memory: Estimated memory of one step, in bytes.
        wanted: The number that was set; None if there was none.
        has_gpu: Whether steps would share a GPU.
    """

    jobs: int
    cores: int
    memory: float
    step_memory: float
    wanted: int | None = None
    has_gpu: bool = False

    @property
    def memory_for_steps(self) -> float:
        """Memory that all steps together may use, in bytes."""
        return self.memory - _OWN_BYTES

    def __str__(self) -> str:
        """Returns a sentence that explains the number."""
        why = (
            f"{counted(self.cores, 'core')}, and {self.memory / _GB:.1f} GB of memory "
            f"for about {self.step_memory / _GB:.1f} GB per step"
        )
        if self.wanted is None and self.has_gpu:
            why = "TensorFlow takes all memory of a GPU for one step"
        elif self.wanted is not None and self.wanted > self.jobs:
            why = f"{self.wanted} were requested; {why}"
        return f"Steps that may run at once: {self.jobs} ({why})"


def capacity(config: RunConfig, bytes_of_ratings: int = 0) -> Capacity:
    """Returns how many steps may run at once.

    Args:
        config: The settings. A number of jobs that is set is not limited by the cores,
            only by the memory. With a GPU, several steps at once have to be set.
        bytes_of_ratings: Uncompressed size of the files of ratings, if it is known.
    """
    cores = machine.cores()
    memory = (
        parse_size(config.max_memory)
        if config.max_memory
        else _SHARE * machine.memory().total
    )
    step = _STEP_BYTES + _STEP_BYTES_PER_BYTE_OF_RATINGS * bytes_of_ratings
    fit = max(1, math.floor((memory - _OWN_BYTES) / step))
    has_gpu = machine.has_gpu()
    automatic = 1 if has_gpu else cores
    wanted = automatic if config.jobs is None else config.jobs
    return Capacity(min(wanted, fit), cores, memory, step, config.jobs, has_gpu)


def beam_processes(config: BeamConfig, at_once: Capacity, bytes_of_ratings: int) -> int:
    """Returns the number of processes of a step over all ratings on this machine.

    It does not depend on the number of jobs: until the ratings are transformed, no
    other step needs the cores.

    Args:
        config: The settings.
        at_once: What cores and memory allow.
        bytes_of_ratings: Uncompressed size of the files of ratings, if it is known.
    """
    if config.runner != "direct":
        return 1
    if config.processes is not None:
        return config.processes
    if at_once.has_gpu or bytes_of_ratings < _BYTES_WORTH_PROCESSES:
        return 1
    left = at_once.memory_for_steps - at_once.step_memory
    return max(1, min(at_once.cores, math.floor(left / _BEAM_PROCESS_BYTES)))


def parse_size(text: str) -> float:
    """Returns a size such as "8GB" or "500 MB" in bytes."""
    number, unit = re.fullmatch(r"([\d.]+) *([MG]B)", text).groups()  # type: ignore[union-attr]  # the setting's type has this pattern
    return float(number) * _UNITS[unit]
