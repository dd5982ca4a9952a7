"""Describes settings in error messages: what is expected, and the nearest name."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from components.metric_names import REPORTED_ONLY
from pipeline.config import secrets
from pipeline.config.sections import PipelineConfig
from trainer_modules.configs.types import LARGEST
from trainer_modules.registry import MODELS

_PLAIN_TYPES = {
    bool: "true or false",
    str: "text",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}


def nearest_name(name: str, names: Iterable[str], is_key: bool = True) -> str:
    """Returns what to write instead of an unknown name, as the end of a sentence.

    Args:
        name: The unknown name, of a setting or of a choice.
        names: The names that are valid in its place.
        is_key: Whether it is the name of a setting, which may exist elsewhere.
    """
    choices = list(names)
    if name in REPORTED_ONLY:
        return (
            f": it is reported only and cannot gate; choose from {', '.join(choices)}"
        )
    if not choices:
        return "; it has no settings"
    close = difflib.get_close_matches(name, choices, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    # A setting of one model does not help with another model.
    elsewhere = {
        key.rpartition(".")[2]: key
        for key in known_keys()
        if not key.startswith("models.")
    }
    close = difflib.get_close_matches(name.rpartition(".")[2], elsewhere, 1, 0.8)
    if close and is_key:
        return f"; did you mean {elsewhere[close[0]]}?"
    return f"; expected one of {', '.join(choices)}"


def known_keys() -> Iterable[str]:
    """Yields the dotted key of every setting and section."""
    return _known_keys(PipelineConfig, "")


def fields_of(wanted: Any, key: str) -> dict[str, Any] | None:
    """Returns name → type of what a section may contain; None for a single value."""
    if key == "models":
        return {name: spec.config_class for name, spec in MODELS.items()}
    if typing.get_origin(wanted) is dict:
        names, inner = typing.get_args(wanted)
        if names is str:
            return {}  # names of a person's own; see ``values_of``
        return dict.fromkeys(names.__metadata__[0].extra["names"], inner)
    if _is_struct(inner := _if_given(wanted)):
        hints = typing.get_type_hints(inner, include_extras=True)
        names = zip(
            inner.__struct_fields__, inner.__struct_encode_fields__, strict=True
        )
        return {written: hints[name] for name, written in names}
    if dataclasses.is_dataclass(wanted):
        return typing.get_type_hints(wanted, include_extras=True)
    return None


def values_of(wanted: Any) -> Any:
    """Returns the type of each value of a mapping whose names a person chooses."""
    if typing.get_origin(wanted) is not dict:
        return None
    names, inner = typing.get_args(wanted)
    return inner if names is str else None


def member_of(wanted: Any) -> Any:
    """Returns the type of the sections in a list; None for any other type."""
    if typing.get_origin(wanted) is list and _is_struct(typing.get_args(wanted)[0]):
        return typing.get_args(wanted)[0]
    return None


def required_of(wanted: Any) -> list[str]:
    """Returns the names that a section must contain."""
    if not _is_struct(inner := _if_given(wanted)):
        return []
    return [f.encode_name for f in msgspec.structs.fields(inner) if f.required]


def may_be_null(wanted: Any) -> bool:
    """Returns whether a section may be null, which differs from an empty one."""
    return _if_given(wanted) is not wanted and _is_struct(_if_given(wanted))


def _is_struct(wanted: Any) -> bool:
    return hasattr(wanted, "__struct_fields__")


def _if_given(wanted: Any) -> Any:
    """Returns the type of a setting that may be null, or else the type itself."""
    inner = [part for part in typing.get_args(wanted) if part is not type(None)]
    is_optional = isinstance(wanted, types.UnionType) and len(inner) == 1
    return inner[0] if is_optional else wanted


def _known_keys(wanted: Any, key: str) -> Iterable[str]:
    """Yields every dotted key below one."""
    for name, inner in (fields_of(wanted, key) or {}).items():
        place = f"{key}.{name}" if key else name
        yield place
        yield from _known_keys(inner, place)


def is_text(wanted: Any) -> bool:
    """Returns whether a setting is free text, or null."""
    if isinstance(wanted, types.UnionType) or typing.get_origin(wanted) is typing.Union:
        inner = [part for part in typing.get_args(wanted) if part is not type(None)]
        return len(inner) == 1 and is_text(inner[0])
    return (wanted.__origin__ if _is_annotated(wanted) else wanted) is str


def expected(wanted: Any) -> str:
    """Returns which values a type allows, in words that follow "expected"."""
    if _is_annotated(wanted):
        return _bounded(wanted.__origin__, wanted.__metadata__[0])
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Literal:
        choices = [repr(choice) if choice in ".," else choice for choice in inner]
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    if origin is dict:
        return _mapping(*inner)
    if origin in (tuple, list):
        return f"a list, each {expected(inner[0])}"
    if inner:
        lists_last = sorted(
            inner, key=lambda part: isinstance(part, types.GenericAlias)
        )
        parts = [expected(part) for part in lists_last]
        is_nested = any(" or " in part for part in parts)
        return (", or " if is_nested else " or ").join(parts)
    keys = ", ".join(getattr(wanted, "__struct_encode_fields__", ()))
    return f"with the keys {keys}" if keys else _PLAIN_TYPES[wanted]


def _mapping(names: Any, values: Any) -> str:
    if names is str:
        return "a mapping"
    known = ", ".join(names.__metadata__[0].extra["names"])
    return f"a mapping of {known} to {expected(values)}"


def _is_annotated(wanted: Any) -> bool:
    return typing.get_origin(wanted) is Annotated


def _bounded(plain: Any, bounds: msgspec.Meta) -> str:
    """Describes a type with bounds, by these alone unless a description is given."""
    if bounds.description is not None:
        return bounds.description
    words = expected(plain)
    if bounds.min_length is not None:
        return words.replace("a list", f"a list of at least {bounds.min_length}", 1)
    if bounds.le is not None and bounds.le < LARGEST and bounds.ge is not None:
        return f"{words} from {bounds.ge} to {bounds.le}"
    limits = [
        f"{sign} {limit}"
        for sign, limit in (
            ("of at least", bounds.ge),
            ("above", bounds.gt),
            ("below", bounds.lt),
            ("at most", None if bounds.le == LARGEST else bounds.le),
        )
        if limit is not None
    ]
    return f"{words} {' and '.join(limits)}"


def short_form(value: Any) -> str:
    """Returns a value as an error shows it: short, on one line, without secrets."""
    if isinstance(value, dict):
        return f"the keys {', '.join(value)}" if value else "an empty section"
    if isinstance(value, list):
        return f"the list {secrets.masked(repr(value)):.60}"
    if value is None:
        return "nothing"
    return f"{secrets.masked(repr(value)):.60}"
