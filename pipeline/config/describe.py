"""Describes settings in error messages: what is expected, the nearest name."""

import dataclasses
import difflib
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from components.metric_names import REPORTED_ONLY
from pipeline.config import secrets
from pipeline.config.schema import PipelineConfig
from pipeline.config.types import PLAIN_TYPES
from trainer_modules.registry import MODELS


def nearest_name(name: str, names: Iterable[str], is_key: bool = True) -> str:
    """What to write instead of an unknown name, of a key or of a choice."""
    choices = list(names)
    if name in REPORTED_ONLY:
        return f": it is shown, but is no bar; choose from {', '.join(choices)}"
    if not choices:
        return "; it has no settings"
    close = difflib.get_close_matches(name, choices, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    elsewhere = {key.rpartition(".")[2]: key for key in known_keys()}
    close = difflib.get_close_matches(name.rpartition(".")[2], elsewhere, n=1)
    if close and is_key:
        return f"; did you mean {elsewhere[close[0]]}?"
    return f"; expected one of {', '.join(choices)}"


def known_keys() -> Iterable[str]:
    """Every dotted key there is, of settings and sections."""
    return _known_keys(PipelineConfig, "")


def fields_of(wanted: Any, key: str) -> dict[str, Any] | None:
    """Name → type of what may stand in a section; None for a single value."""
    if key == "models":
        return {name: spec.config_class for name, spec in MODELS.items()}
    if typing.get_origin(wanted) is dict:
        names, inner = typing.get_args(wanted)
        return dict.fromkeys(names.__metadata__[0].extra["names"], inner)
    if dataclasses.is_dataclass(wanted) or hasattr(wanted, "__struct_fields__"):
        return typing.get_type_hints(wanted, include_extras=True)
    return None


def _known_keys(wanted: Any, key: str) -> Iterable[str]:
    """Every dotted key below one."""
    for name, inner in (fields_of(wanted, key) or {}).items():
        place = f"{key}.{name}" if key else name
        yield place
        yield from _known_keys(inner, place)


def expected(wanted: Any) -> str:
    """What may stand where a type is wanted, in a person's words."""
    wanted = PLAIN_TYPES.get(wanted, wanted)
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Annotated:
        return str(wanted.__metadata__[0].description)
    if origin is Literal:
        return ", ".join(inner[:-1]) + f" or {inner[-1]}"
    if origin is dict:
        names, values = inner
        known = ", ".join(names.__metadata__[0].extra["names"])
        return f"a mapping of {known} to {expected(values)}"
    if origin in (tuple, list):
        return f"a list, each {expected(inner[0])}"
    if inner:
        lists_last = sorted(
            inner, key=lambda each: getattr(each, "__origin__", None) is list
        )
        return " or ".join(expected(each) for each in lists_last)
    return {bool: "true or false", str: "text", type(None): "null"}[wanted]


def short_form(value: Any) -> str:
    """A value in an error: short, and on one line."""
    if isinstance(value, dict):
        return f"the keys {', '.join(value)}" if value else "an empty section"
    if isinstance(value, list):
        return f"the list {secrets.masked(repr(value)):.60}"
    if value is None:
        return "nothing"
    return f"{secrets.masked(repr(value)):.60}"
