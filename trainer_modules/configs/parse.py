"""Builds a model's settings from JSON values."""

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

import msgspec

Config = TypeVar("Config")


def parse(config_class: type[Config], values: Mapping[str, object]) -> Config:
    """Builds a model's settings from JSON values, whose lists become tuples.

    Args:
        config_class: A frozen dataclass of settings, as the registry names it.
        values: Setting → value; settings that are left out keep their defaults.

    Raises:
        ValueError: If a name is unknown, or a value has the wrong type or is outside
            its bounds (``msgspec.ValidationError``, which names the setting).
    """
    names = [field.name for field in dataclasses.fields(config_class)]  # type: ignore[arg-type]  # a dataclass, which the type checker cannot demand of a type
    for name in values:
        if name not in names:
            raise ValueError(
                f"{config_class.__name__} has no field {name!r}; it has: "
                f"{', '.join(sorted(names)) or 'none'}"
            )
    return msgspec.convert(values, config_class)
