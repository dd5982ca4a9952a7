"""Pages that are made when the site is built: nothing that the code knows is retyped.

``configuration.md`` is the typed configuration, with the comments of
``configs/default.yaml`` and the models' own settings; ``command-line.md`` is what
``--help`` says; ``tour.md`` is the notebook. None imports TensorFlow.
"""

import dataclasses
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # a checkout that is not installed has its docs, too

from pipeline.cli import main  # noqa: E402
from pipeline.config.describe import expected  # noqa: E402
from pipeline.config.schema import PipelineConfig  # noqa: E402
from trainer_modules.registry import MODELS  # noqa: E402


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made."""
    for name, text in {
        "configuration.md": configuration(),
        "command-line.md": command_line(),
        "tour.md": notebook(ROOT / "docs" / "tour.ipynb"),
    }.items():
        files.append(File.generated(config, name, content=text))
    return files


def configuration() -> str:
    """Every setting: its default, what may stand there, and what it means."""
    comments = default_comments((ROOT / "configs" / "default.yaml").read_text())
    parts = [
        "# Configuration",
        "A file of yours (`marquee run --config mine.yaml`) holds what differs from "
        "these defaults; `--set split.kind=temporal` changes one key. A name that is "
        "not known, or a value of another type, is an error before anything starts.",
    ]
    top, hints = (
        PipelineConfig(),
        typing.get_type_hints(PipelineConfig, None, None, True),
    )
    for section in PipelineConfig.__struct_fields__:
        value = getattr(top, section)
        parts.append(f"## `{section}`\n\n{comments[section]}")
        if isinstance(value, msgspec.Struct):
            inner = typing.get_type_hints(type(value), None, None, True)
            rows = [
                (name, getattr(value, name), hint, comments[f"{section}.{name}"])
                for name, hint in inner.items()
            ]
            parts.append(table(rows))
        elif section != "models":
            parts.append(table([(section, value, hints[section], comments[section])]))
    parts.append("## Settings of the models")
    for spec in MODELS.values():
        parts.append(f"### `models.{spec.name}`\n\n{spec.summary}. {spec.paper}.")
        config = spec.config_class()
        meanings = attributes(spec.config_class)
        types = typing.get_type_hints(spec.config_class, None, None, True)
        rows = [
            (field.name, getattr(config, field.name), types[field.name],
             meanings[field.name])
            for field in dataclasses.fields(config)
        ]  # fmt: skip
        parts.append(table(rows) if rows else "It has no settings.")
    return "\n\n".join(parts) + "\n"


def table(rows: list[tuple[str, typing.Any, typing.Any, str]]) -> str:
    """Settings as a table of Markdown."""
    lines = ["| key | default | may be | meaning |", "|---|---|---|---|"]
    for name, default, hint, meaning in rows:
        shown = msgspec.json.encode(default).decode()
        cells = (f"`{name}`", f"`{shown}`", expected(hint), meaning)
        lines.append(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        )
    return "\n".join(lines)


def default_comments(yaml: str) -> dict[str, str]:
    """Dotted key → the comment above it or, of a section, beside it."""
    comments: dict[str, str] = {}
    section, above = "", []
    for line in yaml.splitlines():
        if match := re.fullmatch(r"\s*# ?(.*)", line):
            above.append(match[1])
        elif match := re.match(r"(  )?([a-z_]+):(?: # (.*)| .*)?$", line):
            inner, name, beside = match.groups()
            key = f"{section}.{name}" if inner else name
            section = section if inner else name
            comments[key] = sentence(beside or " ".join(above))
            above = []
        else:
            above = []
    return comments


def attributes(config_class: type) -> dict[str, str]:
    """Setting → what the docstrings of a model's config and its bases say of it."""
    told: dict[str, str] = {}
    for base in reversed(config_class.__mro__):
        listed = (inspect.getdoc(base) or "").partition("Attributes:\n")[2]
        for entry in re.split(r"\n(?=\S)", textwrap.dedent(listed)):
            name, colon, meaning = entry.partition(": ")
            if colon:
                told[name] = sentence(" ".join(meaning.split()).replace("``", "`"))
    return told


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def command_line() -> str:
    """What ``--help`` says of every command."""
    parts = ["# Command line"]
    for path, context in commands(click.Context(main, info_name="marquee")):
        parts.append(f"## `{path}`" if path != "marquee" else "")
        parts.append(f"```text\n{context.get_help()}\n```")
    return "\n\n".join(filter(None, parts)) + "\n"


def commands(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    """A command and those below it."""
    context.max_content_width = context.terminal_width = 88
    yield context.command_path, context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            below = context.command.get_command(context, name)
            yield from commands(click.Context(below, context, info_name=name))


def notebook(path: Path) -> str:
    """A notebook as a page: its texts, and its cells as code."""
    cells = nbformat.read(path, nbformat.NO_CONVERT).cells
    return "\n\n".join(
        cell.source
        if cell.cell_type == "markdown"
        else f"```python\n{cell.source}\n```"
        for cell in cells
    )
