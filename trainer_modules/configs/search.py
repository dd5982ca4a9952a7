"""Search spaces: which values of a setting the Tuner tries, declared with the setting.

A setting without an axis keeps its value. A subclass inherits the axes of its parents,
also of a setting whose default it changes, and may declare its own.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from trainer_modules.configs.parse import parse

_AXIS = "axis"  # key in the metadata of a dataclass's field

Number = int | float  # unlike a float, a whole number stays one in JSON


class Range(msgspec.Struct, frozen=True, tag=True):
    """All numbers between two bounds, which are included; whole ones if both are.

    Attributes:
        low: Lowest value.
        high: Highest value.
        log: Whether values are drawn evenly on a logarithmic scale.
    """

    low: Number
    high: Number
    log: bool = False

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def widened(self, value: Any) -> "Range":
        """Returns the range with a value within it."""
        low = min(self.low, value)  # 0 is on no logarithmic scale
        return Range(low, max(self.high, value), self.log and low > 0)

    def nearest(self, value: Any) -> Any:
        """Returns the value, or the bound that it is beyond."""
        return min(max(self.low, value), self.high)


class Choice(msgspec.Struct, frozen=True, tag=True):
    """A few values.

    Attributes:
        values: The values: numbers, text, or tuples of numbers.
    """

    values: tuple[Any, ...]

    def __contains__(self, value: object) -> bool:
        # In JSON, the values of a setting like hidden_units are lists.
        return _in_json(value) in map(_in_json, self.values)

    def widened(self, value: Any) -> "Choice":
        """Returns the values with one more."""
        return self if value in self else Choice((*self.values, value))

    def nearest(self, value: Any) -> Any:
        """Returns the value if it is one of them, otherwise the first one."""
        return value if value in self else self.values[0]


class Given(msgspec.Struct, frozen=True, tag=True):
    """An axis that is only tried for some values of another setting.

    Attributes:
        axis: The values to try.
        setting: Name of the other setting, which has an axis itself.
        unless: Values of that setting with which this one has no effect.
    """

    axis: Range | Choice
    setting: str
    unless: tuple[Any, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.axis

    def widened(self, value: Any) -> "Given":
        """Returns the axis with a value within it."""
        return Given(self.axis.widened(value), self.setting, self.unless)

    def nearest(self, value: Any) -> Any:
        """Returns the value, or the nearest one on the axis."""
        return self.axis.nearest(value)


Axis = Range | Choice | Given
Space = dict[str, Axis]  # by setting

HALF = Range(0.0, 0.5)  # of dropout rates
# Of weight decays: none is worth a try, and 0 is on no logarithmic scale.
DECAY = Choice((0.0, 1e-6, 1e-5, 1e-4, 1e-3, 5e-3, 1e-2, 5e-2))


def _in_json(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def drawn_axis(axis: Axis) -> Range | Choice:
    """Returns the values of an axis, whether it is always tried or not."""
    return axis.axis if isinstance(axis, Given) else axis


def encoded(axis: Axis, value: Any) -> Any:
    """Returns a value as Optuna keeps it: choices as JSON, since some are lists."""
    return json.dumps(value) if isinstance(drawn_axis(axis), Choice) else value


def searched(default: Any, axis: Axis) -> Any:
    """Returns the field of a setting with a default and an axis."""
    return dataclasses.field(default=default, metadata={_AXIS: axis})


def space_of(config_class: type[Any]) -> Space:
    """Returns the axes of a model's settings, in the order of the settings.

    Args:
        config_class: Dataclass of the settings, as the registry names it.
    """
    found: Mapping[str, Axis] = {
        field.name: field.metadata[_AXIS]
        for ancestor in reversed(config_class.__mro__)
        if dataclasses.is_dataclass(ancestor)
        for field in dataclasses.fields(ancestor)
        if _AXIS in field.metadata
    }
    names = [field.name for field in dataclasses.fields(config_class)]
    return {name: found[name] for name in names if name in found}


def space_around(config: Any, own: Mapping[str, Any]) -> Space:
    """Returns the space of a model's settings, from which the search begins.

    An axis is widened where its setting's value is outside, unless it is one's own.

    Args:
        config: The model's settings.
        own: Axes that replace declared ones, or add some: setting → list of values, or
            ``low`` and ``high``.

    Raises:
        ValueError: If an axis is empty, or has a value that the setting cannot have.
    """
    space = {
        name: axis.widened(getattr(config, name))
        for name, axis in space_of(type(config)).items()
    }
    return space | {
        name: _own_axis(config, name, given, space.get(name))
        for name, given in own.items()
    }


def _own_axis(config: Any, name: str, given: Any, declared: Axis | None) -> Axis:
    def checked(value: Any) -> Any:
        """Returns a value as the setting has it, beside the others as they are."""
        others = dataclasses.asdict(config)
        return getattr(parse(type(config), {**others, name: value}), name)

    checked(getattr(config, name, None))  # the setting is known
    is_range = isinstance(given, dict) and given.keys() == {"low", "high"}
    if not is_range and not (isinstance(given, list) and given):
        raise ValueError(f"{name}: expected a list of values, or low and high")
    if not is_range:
        return Choice(tuple(map(checked, given)))
    low, high = checked(given["low"]), checked(given["high"])
    if not low < high:
        raise ValueError(f"{name}: low is {low}, which is not below high, {high}")
    drawn = drawn_axis(declared) if declared else None
    return Range(low, high, log=isinstance(drawn, Range) and drawn.log and low > 0)
