"""How a step of a run ended."""

from dataclasses import dataclass
from typing import Literal

State = Literal["done", "cached", "failed", "skipped"]


@dataclass(frozen=True)
class StepResult:
    """How one step ended.

    ``cached`` means that nothing was made: the outputs are those of an earlier run. A
    resolver never makes anything; it is cached when it found the same as last time.
    ``error`` is the exception of a failed step as its code raised it. ``peak_memory``
    is that of the process that ran it, in bytes; None if nothing ran.
    """

    name: str
    state: State
    seconds: float
    error: BaseException | None = None
    peak_memory: int | None = None
