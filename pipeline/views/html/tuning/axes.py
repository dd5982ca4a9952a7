"""The axes of the parallel coordinates: where on its axis each value is."""

import dataclasses
import math
from typing import Any

from pipeline.runs.tuned import TunedModel
from pipeline.views.formatting import short
from trainer_modules.configs.search import Choice, Range, drawn_axis

NOT_TRIED = -0.12  # where a trial without a value crosses the axis


@dataclasses.dataclass(frozen=True)
class Tick:
    """A label on an axis.

    Attributes:
        at: Position, from 0 to 1.
        label: The value there.
        is_end: Whether it is one of the ends, which narrow windows show as well.
    """

    at: float
    label: str
    is_end: bool


@dataclasses.dataclass(frozen=True)
class DrawnAxis:
    """One axis.

    Attributes:
        name: The setting, or the metric.
        drawn: The values that can be on it.
    """

    name: str
    drawn: Range | Choice

    def position(self, value: Any) -> float:
        """Returns where a value is, from 0 to 1; ``NOT_TRIED`` for None."""
        if value is None:
            return NOT_TRIED
        if isinstance(self.drawn, Choice):
            values = [_in_json(choice) for choice in self.drawn.values]
            last = len(values) - 1
            return values.index(_in_json(value)) / last if last else 0.5
        low, high, at = (
            math.log(number) if self.drawn.log else number
            for number in (self.drawn.low, self.drawn.high, value)
        )
        return (at - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[Tick]:
        """Returns the ends, each value of a choice, and powers of ten if it is log."""
        if isinstance(self.drawn, Choice):
            values: list[Any] = [*self.drawn.values]
        else:
            low, high = self.drawn.low, self.drawn.high
            values = [low, *self._between(low, high), high]
            values = values[:1] if low == high else values
        last = len(values) - 1
        return [
            Tick(self.position(value), short(_in_json(value)), number in (0, last))
            for number, value in enumerate(values)
        ]

    def _between(self, low: float, high: float) -> list[float]:
        if not isinstance(self.drawn, Range) or not self.drawn.log:
            return []
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        inside = [10.0**power for power in powers]
        # A label beside an end would be drawn over it.
        return [value for value in inside if 0.1 < self.position(value) < 0.9]


def axes_of(model: TunedModel, metric: str) -> list[DrawnAxis]:
    """Returns an axis for each setting that a complete trial has, and the metric's."""
    complete = [trial for trial in model.trials if trial.state == "complete"]
    tried = {name for trial in complete for name in trial.values}
    found = [trial.metric for trial in complete if trial.metric is not None]
    return [
        *(
            DrawnAxis(name, drawn_axis(axis))
            for name, axis in model.space.items()
            if name in tried
        ),
        DrawnAxis(metric, Range(min(found), max(found))),
    ]


def shown(value: Any) -> str:
    """Returns a value as tooltips and tables show it."""
    return "-" if value is None else short(value)


def _in_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
