"""Reads the descriptions of settings from the docstrings of their classes."""

import inspect
import re
import textwrap


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


def _prose(text: str) -> str:
    """Returns a text on one line, with code marked as in Markdown."""
    return " ".join(text.split()).replace("``", "`")
