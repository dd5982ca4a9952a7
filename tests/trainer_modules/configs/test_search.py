"""Search spaces belong to the settings that they are of."""

import dataclasses

import pytest

from trainer_modules.configs.parse import parse
from trainer_modules.configs.search import (
    Choice,
    Given,
    Range,
    searched,
    space_of,
)
from trainer_modules.registry import MODELS, POPULARITY


@dataclasses.dataclass(frozen=True)
class Parent:
    rate: float = searched(0.1, Range(0.01, 1.0, log=True))
    kind: str = searched("a", Choice(("a", "b")))
    fixed: int = 3


@dataclasses.dataclass(frozen=True)
class Child(Parent):
    rate: float = 0.5
    kind: str = searched("c", Choice(("b", "c")))
    own: int = searched(2, Given(Range(1, 4), "kind", ("b",)))


def test_a_subclass_inherits_axes_and_replaces_those_it_declares():
    assert space_of(Parent) == {
        "rate": Range(0.01, 1.0, log=True),
        "kind": Choice(("a", "b")),
    }
    assert space_of(Child) == {
        "rate": Range(0.01, 1.0, log=True),
        "kind": Choice(("b", "c")),
        "own": Given(Range(1, 4), "kind", ("b",)),
    }
    assert (Child().rate, Child().kind, Child().own) == (0.5, "c", 2)


def test_only_popularity_has_nothing_to_try():
    without = [name for name, m in MODELS.items() if not space_of(m.config_class)]
    assert without == [POPULARITY]


@pytest.mark.parametrize("name", MODELS)
def test_every_axis_has_the_default_and_only_valid_values(name):
    """The bounds of the settings themselves are the oracle."""
    config_class = MODELS[name].config_class
    for setting, axis in space_of(config_class).items():
        default = getattr(config_class(), setting)
        assert default in axis, setting
        if isinstance(axis, Given):
            other = space_of(config_class)[axis.setting]
            assert all(value in other for value in axis.values)
            axis = axis.axis
        ends = axis.values if isinstance(axis, Choice) else (axis.low, axis.high)
        for value in ends:
            parse(config_class, {setting: value})
            assert type(value) is type(default), setting
        if isinstance(axis, Range):
            assert axis.low < axis.high
            assert axis.low > 0 or not axis.log
