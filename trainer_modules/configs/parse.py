"""Builds a model's settings from JSON values."""

import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

Config = TypeVar("Config")


def parse(config_class: type[Config], values: Mapping[str, Any]) -> Config:
    """Builds a config from JSON values.

    Raises:
        ValueError: For a field that the config has not.
        TypeError: For a value of another type than the field's.
    """
    hints = typing.get_type_hints(config_class)
    typed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            raise ValueError(
                f"{config_class.__name__} has no field {name!r}; it has: "
                f"{', '.join(sorted(hints)) or 'none'}"
            )
        typed[name] = _typed(f"{config_class.__name__}.{name}", hints[name], value)
    return config_class(**typed)


def _typed(where: str, hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise TypeError(f"{where}: expected a list, got {value!r}")
        element = typing.get_args(hint)[0]
        return tuple(_typed(where, element, v) for v in value)
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            choices = ", ".join(typing.get_args(hint))
            raise TypeError(f"{where}: expected one of {choices}, got {value!r}")
        return value
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise TypeError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value
