"""Search spaces belong to the settings that they are of."""

import dataclasses

import msgspec
import pytest

from trainer_modules.configs.parse import parse
from trainer_modules.configs.search import (
    Choice,
    Given,
    Range,
    Space,
    searched,
    space_around,
    space_of,
)
from trainer_modules.configs.sequence import SASRecConfig
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
    own: int = searched(2, Given(Range(1, 4), "kind", unless=("c",)))


def test_a_subclass_inherits_axes_and_replaces_those_it_declares():
    assert space_of(Parent) == {
        "rate": Range(0.01, 1.0, log=True),
        "kind": Choice(("a", "b")),
    }
    assert space_of(Child) == {
        "rate": Range(0.01, 1.0, log=True),
        "kind": Choice(("b", "c")),
        "own": Given(Range(1, 4), "kind", unless=("c",)),
    }
    assert (Child().rate, Child().kind, Child().own) == (0.5, "c", 2)


def test_popularity_and_two_stages_have_nothing_to_try():
    without = [name for name, m in MODELS.items() if not space_of(m.config_class)]
    assert without == [POPULARITY, "two_stage"]  # its parts are tuned


@pytest.mark.parametrize("name", MODELS)
def test_a_search_begins_with_the_defaults_also_through_json(name):
    """A Tuner is given its space in JSON's types, in which a tuple is a list."""
    config_class = MODELS[name].config_class
    sent = msgspec.json.encode(space_of(config_class))
    for setting, axis in msgspec.json.decode(sent, type=Space).items():
        default = getattr(config_class(), setting)
        assert axis.nearest(default) == default, setting


@pytest.mark.parametrize("name", MODELS)
def test_every_axis_has_the_default_and_only_valid_values(name):
    """The bounds of the settings themselves are the oracle."""
    config_class = MODELS[name].config_class
    for setting, axis in space_of(config_class).items():
        default = getattr(config_class(), setting)
        assert default in axis, setting
        if isinstance(axis, Given):
            other = space_of(config_class)[axis.setting]
            assert all(value in other for value in axis.unless)
            axis = axis.axis
        ends = axis.values if isinstance(axis, Choice) else (axis.low, axis.high)
        for value in ends:
            parse(config_class, {setting: value})
            assert type(value) is type(default), setting
        if isinstance(axis, Range):
            assert axis.low < axis.high
            assert axis.low > 0 or not axis.log


def test_an_axis_is_widened_to_the_value_that_is_set():
    space = space_around(Child(rate=3.0, kind="x"), {})
    assert space["rate"] == Range(0.01, 3.0, log=True)
    assert space["kind"] == Choice(("b", "c", "x"))
    assert space["own"] == space_of(Child)["own"]


def test_an_axis_with_0_is_not_logarithmic():
    assert space_around(Child(rate=0.0), {})["rate"] == Range(0.0, 1.0)


def test_own_bounds_are_numbers_of_the_settings_type():
    low, high = 0, 1
    space = space_around(Child(), {"rate": {"low": low, "high": high}})
    assert isinstance(space["rate"].low, float)
    assert isinstance(space["rate"].high, float)
    whole = space_around(Child(), {"fixed": {"low": low, "high": high}})
    assert whole["fixed"] == Range(0, 1)


def test_own_axes_are_checked_beside_the_settings_as_they_are():
    config = SASRecConfig(embedding_dim=48, heads=3)
    assert space_around(config, {"heads": [3, 6]})["heads"] == Choice((3, 6))
    with pytest.raises(ValueError, match="embedding_dim is 48, which 5 heads"):
        space_around(config, {"heads": [3, 5]})


def test_own_axes_replace_declared_ones_and_add_others():
    own = {"rate": {"low": 0.2, "high": 0.3}, "kind": ["b"], "fixed": [1, 2]}
    space = space_around(Child(), own)
    assert space["rate"] == Range(0.2, 0.3, log=True)
    assert space["kind"] == Choice(("b",))
    assert space["fixed"] == Choice((1, 2))
    assert space["own"] == space_of(Child)["own"]


@pytest.mark.parametrize(
    ("axis", "value", "nearest"),
    [
        (Range(1, 4), 9, 4),
        (Range(1, 4), 0, 1),
        (Range(1, 4), 2, 2),
        (Choice(("b", "c")), "c", "c"),
        (Choice(("b", "c")), "x", "b"),
        (Given(Range(1, 4), "kind", unless=("c",)), 9, 4),
    ],
)
def test_the_search_begins_with_the_nearest_value(axis, value, nearest):
    assert axis.nearest(value) == nearest
