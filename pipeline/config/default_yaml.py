"""Writes ``configs/default.yaml`` from the declarations: ``make defaults``."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from pipeline.config.descriptions import description_of, descriptions_of_settings
from pipeline.config.sections import PipelineConfig

PATH = Path(__file__).parents[2] / "configs" / "default.yaml"
WIDTH = 88
HEADER = """\
Every setting, with its default and its meaning. Copy what you change into a file of \
your own (`marquee run --config mine.yaml`), or change one setting on the command line \
(`--set split.kind=temporal`).

Written by `make defaults` from pipeline/config/sections.py; do not edit."""


def default_yaml() -> str:
    """Returns every setting as YAML, with its default and its description above it."""
    defaults = PipelineConfig()
    descriptions = descriptions_of_settings(PipelineConfig)
    parts = [_comment(HEADER, "")]
    for name in PipelineConfig.__struct_fields__:
        value = getattr(defaults, name)
        if isinstance(value, msgspec.Struct):
            settings = "".join(_settings(value))
            parts.append(
                f"{_comment(description_of(type(value)), '')}{name}:\n{settings}"
            )
        else:
            parts.append(_setting(name, value, descriptions[name], ""))
    return "\n".join(parts)


def _settings(section: msgspec.Struct) -> Iterator[str]:
    """Yields the settings of a section."""
    descriptions = descriptions_of_settings(type(section))
    for name, value in msgspec.to_builtins(section).items():
        yield _setting(name, value, descriptions[name], "  ")


def _setting(name: str, value: Any, description: str, indent: str) -> str:
    """Returns a setting below its description; a mapping has a line for each key."""
    comment = _comment(description, indent)
    if isinstance(value, Mapping) and value:
        lines = [f"{indent}  {key}: {_plain(inner)}\n" for key, inner in value.items()]
        return f"{comment}{indent}{name}:\n{''.join(lines)}"
    return f"{comment}{indent}{name}: {_plain(value)}\n"


def _plain(value: Any) -> str:
    """Returns a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(text: str, indent: str) -> str:
    """Returns paragraphs as a comment, with code in backticks kept on one line."""
    text = re.sub("`[^`]*`", lambda code: code[0].replace(" ", "\0"), text)
    paragraphs = [
        textwrap.wrap(
            paragraph,
            WIDTH - len(f"{indent}# "),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for paragraph in text.split("\n\n")
    ]
    lines = [line for paragraph in paragraphs for line in [*paragraph, ""]][:-1]
    comment = "".join(f"{indent}# {line}".rstrip() + "\n" for line in lines)
    return comment.replace("\0", " ")


if __name__ == "__main__":
    PATH.write_text(default_yaml(), encoding="utf-8")
