"""Values inside and outside of what a setting's type allows, drawn by hypothesis."""

import dataclasses
import re
import types
import typing
from typing import Annotated, Any, Literal

import hypothesis.strategies as st

ANYTHING = st.sampled_from([None, True, -1, 1.5, "", "a", [], {}, ["a"], {"a": 1}])
PLAIN = {
    bool: st.booleans(),
    str: st.text(max_size=8),
    int: st.integers(-9, 9),
    float: st.floats(width=32, allow_nan=False),
    type(None): st.none(),
    Any: st.integers(-9, 9),
}


def inside(wanted, most=8):
    """Draws values that a type allows, as YAML has them.

    Args:
        wanted: The type of a setting.
        most: The largest whole number: an allowed width may be larger than memory.
    """
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Annotated:
        return _within(wanted, wanted.__metadata__[0], most)
    if origin is Literal:
        return st.sampled_from(inner)
    if types_of := _types_of_keys(wanted):
        values = {name: inside(hint, most) for name, hint in types_of.items()}
        must = values if dataclasses.is_dataclass(wanted) else {}
        return st.fixed_dictionaries(must, optional=values if not must else {})
    if origin in (list, tuple):
        return st.lists(inside(inner[0], most), max_size=4)
    if origin is typing.Union or isinstance(wanted, types.UnionType):
        return st.one_of([inside(part, most) for part in inner])
    return PLAIN[wanted]


def outside(wanted):
    """Draws values that a type does not allow, the nearest ones among them."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    values = [ANYTHING]
    if origin is Annotated:
        values += _beyond(wanted.__metadata__[0], wanted.__origin__)
    elif origin in (list, tuple):
        values.append(st.lists(outside(inner[0]), min_size=1, max_size=2))
    elif origin is Literal:
        values.append(st.text(max_size=8))
    return st.one_of(values).filter(lambda value: not allowed(wanted, value))


def allowed(wanted, value):
    """Whether a type allows a value, found without the library that checks settings."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Annotated:
        bounds = wanted.__metadata__[0]
        return allowed(wanted.__origin__, value) and _satisfies(bounds, value)
    if origin is typing.Union or isinstance(wanted, types.UnionType):
        return any(allowed(part, value) for part in inner)
    if types_of := _types_of_keys(wanted):
        if origin is dict and inner[0] is str and isinstance(value, dict):
            types_of = dict.fromkeys(value, inner[1])
        return value is None or (  # an empty section
            isinstance(value, dict)
            and set(value) <= set(types_of)
            and all(allowed(types_of[name], item) for name, item in value.items())
        )
    if origin in (list, tuple):
        return isinstance(value, list) and all(allowed(inner[0], v) for v in value)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    kinds = {float: (int, float), int: int, Any: object}.get(wanted, wanted)
    return isinstance(value, kinds) and isinstance(value, bool) == (wanted is bool)


def _types_of_keys(wanted):
    """The types of what a mapping or a section holds, by key."""
    if typing.get_origin(wanted) is dict:
        names, values = typing.get_args(wanted)
        if names is str:  # a person chooses them; these stand for all
            return dict.fromkeys(("buy", "view"), values)
        return dict.fromkeys(names.__metadata__[0].extra["names"], values)
    if dataclasses.is_dataclass(wanted) or hasattr(wanted, "__struct_fields__"):
        return typing.get_type_hints(wanted, include_extras=True)
    return {}


def _within(wanted, bounds, most):
    if wanted.__origin__ is int:
        least = bounds.ge or 0
        return st.integers(least, max(least, min(most, bounds.le or most)))
    if wanted.__origin__ is float:
        return st.floats(
            bounds.gt if bounds.ge is None else bounds.ge,
            bounds.lt if bounds.le is None else bounds.le,
            exclude_min=bounds.ge is None,
            exclude_max=bounds.le is None,
            allow_subnormal=False,
        )
    if wanted.__origin__ is str:
        if bounds.pattern is None:
            return st.text(min_size=bounds.min_length or 0, max_size=8)
        return st.from_regex(bounds.pattern).filter(lambda text: len(text) < 30)
    values = inside(wanted.__origin__, most)
    return values.filter(lambda value: len(value) >= bounds.min_length)


def _beyond(bounds, plain):
    if plain in (int, float):
        limits = (bounds.ge, bounds.gt, bounds.le, bounds.lt)
        near = [
            limit + step for limit in limits if limit is not None for step in (-1, 0, 1)
        ]
        return [st.sampled_from([*near, float("nan"), float("inf"), 10**40])]
    if plain is str:
        return [st.text(max_size=8)]
    return [outside(plain), inside(plain)]


def _satisfies(bounds, value):
    if isinstance(value, str):
        return len(value) >= (bounds.min_length or 0) and (
            bounds.pattern is None or re.search(bounds.pattern, value) is not None
        )
    if isinstance(value, list):
        return len(value) >= bounds.min_length
    return all(
        limit is None or holds
        for limit, holds in (
            (bounds.ge, bounds.ge is not None and value >= bounds.ge),
            (bounds.gt, bounds.gt is not None and value > bounds.gt),
            (bounds.le, bounds.le is not None and value <= bounds.le),
            (bounds.lt, bounds.lt is not None and value < bounds.lt),
        )
    )
