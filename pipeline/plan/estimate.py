"""The cost of a step, from what it has cost on other data and in other settings."""

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from pipeline.plan.observed import Cost, Observed
from pipeline.plan.work import Work

Quantity = Literal["time", "memory"]


class Line(NamedTuple):
    """A cost that grows with the work.

    Attributes:
        fixed: The cost without any work.
        per_work: The cost of each unit of work.
    """

    fixed: float
    per_work: float

    def at(self, work: float) -> float:
        """Returns the cost of some work."""
        return self.fixed + self.per_work * work

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]]) -> "Line | None":
        """Returns the line with the smallest squared relative errors.

        Neither of its numbers is negative: more work is not cheaper, and none is not a
        gain. Through a single point, the whole cost grows with the work.

        Args:
            points: Work and cost, both positive.
        """
        if not points:
            return None
        work, cost = np.asarray(points, float).T
        slope = float(np.sum(work / cost) / np.sum((work / cost) ** 2))
        if len(set(work)) == 1:
            return cls(0.0, slope)
        columns = np.stack([1 / cost, work / cost], 1)
        fixed, per_work = np.linalg.lstsq(columns, np.ones(len(cost)), rcond=None)[0]
        if per_work < 0:
            return cls(float(np.sum(1 / cost) / np.sum(cost**-2)), 0.0)
        return cls(0.0, slope) if fixed < 0 else cls(float(fixed), float(per_work))


class Estimate(NamedTuple):
    """The estimated cost of a step.

    Attributes:
        cost: The cost; None if no run has shown what such a step costs.
        num_runs: Number of runs of the folder that it follows from. If 0, it follows
            from the reference runs, and from how fast other steps are on this machine.
    """

    cost: Cost | None
    num_runs: int = 0


class Estimator:
    """Estimates the costs of steps.

    The reference runs show how a step's cost grows. Runs of the folder scale it: by the
    step's own ratio to the reference if there is one, its time otherwise by the median
    ratio of all steps. For a step that the reference lacks, such as the training of a
    person's own model, the runs of the folder alone decide.

    Args:
        reference: The reference runs.
        own: Runs of the folder, the newest first.
    """

    def __init__(self, reference: Sequence[Observed], own: Sequence[Observed]):
        self._reference, self._own = reference, own
        steps = {step for run in own for step in run.steps}
        ratios = [r for step in steps for r in self._ratios(step, "time")]
        self._speed = statistics.median(ratios) if ratios else 1.0

    def estimate(self, step: str, work: Work) -> Estimate:
        """Returns the estimated cost of a step.

        Args:
            step: Name of the step.
            work: What it has to do.
        """
        seconds = self._value(step, "time", work.time, self._speed)
        if seconds is None:
            return Estimate(None)
        memory = self._value(step, "memory", work.memory, 1.0)
        num_runs = sum(step in run.steps for run in self._own)
        peak = None if memory is None else round(memory)
        return Estimate(Cost(seconds, peak), num_runs)

    def _value(
        self, step: str, quantity: Quantity, work: float, ratio: float
    ) -> float | None:
        line = Line.through(list(_points(self._reference, step, quantity)))
        if line is None:
            line = Line.through(list(_points(self._own, step, quantity)))
            return None if line is None else line.at(work)
        ratios = self._ratios(step, quantity)
        if ratios:
            ratio = statistics.geometric_mean(ratios)
        return ratio * line.at(work)

    def _ratios(self, step: str, quantity: Quantity) -> list[float]:
        """Returns how the step's costs in the folder compare with the reference."""
        line = Line.through(list(_points(self._reference, step, quantity)))
        if line is None:
            return []
        return [
            cost / line.at(work) for work, cost in _points(self._own, step, quantity)
        ]


def _points(
    runs: Sequence[Observed], step: str, quantity: Quantity
) -> Iterator[tuple[float, float]]:
    """Yields the work and the cost of a step in each run that ran it."""
    for run in runs:
        if step not in run.steps:
            continue
        try:
            work = run.work(step)
        except ValueError:  # settings of an earlier release
            continue
        cost = run.steps[step]
        value = cost.seconds if quantity == "time" else cost.peak_memory
        if value and math.isfinite(value):
            yield (work.time if quantity == "time" else work.memory), value
