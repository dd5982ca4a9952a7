"""Reads the descriptions of settings from the docstrings of their classes."""

import dataclasses
import inspect
import re
import textwrap
import typing
from collections.abc import Iterator


def description_of(config_class: type) -> str:
    """Returns the description of a section: its docstring up to Attributes."""
    return _prose((inspect.getdoc(config_class) or "").partition("Attributes:\n")[0])


def descriptions_of_settings(config_class: type) -> dict[str, str]:
    """Returns setting → description, from the entries under Attributes.

    The entries of a class replace those of its bases.
    """
    descriptions: dict[str, str] = {}
    for base in reversed(config_class.__mro__):
        entries = (inspect.getdoc(base) or "").partition("Attributes:\n")[2]
        for entry in re.split(r"\n(?=\S)", textwrap.dedent(entries)):
            name, colon, description = entry.partition(": ")
            if colon:
                descriptions[name] = _prose(description)
    return descriptions


def described_settings(
    defaults: typing.Any, prefix: str = ""
) -> Iterator[tuple[str, typing.Any, typing.Any, str]]:
    """Yields the key, default, type and description of each setting.

    Args:
        defaults: A section, or the settings of a model, with their default values.
        prefix: What each key starts with: the dotted key of a section in another.
    """
    descriptions = descriptions_of_settings(type(defaults))
    hints = typing.get_type_hints(type(defaults), include_extras=True)
    for name, hint in hints.items():
        value = getattr(defaults, name)
        if dataclasses.is_dataclass(value):
            yield from described_settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, hint, descriptions[name]


def _prose(text: str) -> str:
    """Returns a text on one line, with code marked as in Markdown."""
    return " ".join(text.split()).replace("``", "`")
