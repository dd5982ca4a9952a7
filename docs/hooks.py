"""Generates pages when the site is built, so that nothing in the code is retyped.

``configuration.md`` lists the declared settings of the pipeline and of the models;
``command-line.md`` shows the output of ``--help``; ``tour.md`` is the notebook. None of
them imports TensorFlow.
"""

import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # so that a checkout needs no installation

from pipeline.cli import main  # noqa: E402
from pipeline.config.describe import expected  # noqa: E402
from pipeline.config.descriptions import (  # noqa: E402
    described_settings,
    description_of,
    descriptions_of_settings,
)
from pipeline.config.sections import PipelineConfig  # noqa: E402
from trainer_modules.registry import MODELS  # noqa: E402


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    for name, text in {
        "configuration.md": configuration(),
        "command-line.md": command_line(),
        "tour.md": notebook(ROOT / "docs" / "tour.ipynb"),
    }.items():
        files.append(File.generated(config, name, content=text))
    return files


def configuration() -> str:
    """Returns every setting: its default, its valid values, and its meaning."""
    parts = [
        "# Configuration",
        "A file of yours (`marquee run --config mine.yaml`) holds what differs from "
        "these defaults; `--set split.kind=temporal` changes one setting. An unknown "
        "name, or an invalid value, is an error before anything starts.",
    ]
    defaults = PipelineConfig()
    of_sections = descriptions_of_settings(PipelineConfig)
    for name, hint in typing.get_type_hints(PipelineConfig, None, None, True).items():
        value = getattr(defaults, name)
        if isinstance(value, msgspec.Struct):
            parts += [f"## `{name}`", description_of(hint), settings(value)]
        elif name == "models":
            parts += [f"## `{name}`", of_sections[name]]
        else:
            row = (name, value, hint, of_sections[name])
            parts += [f"## `{name}`", table([row])]
    parts.append("## Settings of the models")
    for spec in MODELS.values():
        parts.append(f"### `models.{spec.name}`\n\n{spec.summary}. {spec.paper}.")
        parts.append(settings(spec.config_class()) or "It has no settings.")
    return "\n\n".join(parts) + "\n"


def settings(defaults: typing.Any) -> str:
    """Returns the settings of a section or of a model as a table; "" without any."""
    return table(list(described_settings(defaults)))


def table(rows: list[tuple[str, typing.Any, typing.Any, str]]) -> str:
    """Returns settings as a Markdown table: name, default, type and description."""
    if not rows:
        return ""
    lines = ["| key | default | valid values | meaning |", "|---|---|---|---|"]
    for name, default, hint, description in rows:
        shown = msgspec.json.encode(default).decode()
        cells = (f"`{name}`", f"`{shown}`", expected(hint), description)
        lines.append(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        )
    return "\n".join(lines)


def command_line() -> str:
    """Returns the output of ``--help`` of every command."""
    parts = ["# Command line"]
    for path, context in commands(click.Context(main, info_name="marquee")):
        parts.append(f"## `{path}`" if path != "marquee" else "")
        parts.append(f"```text\n{context.get_help()}\n```")
    return "\n\n".join(filter(None, parts)) + "\n"


def commands(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    """Yields a command and all of its subcommands, with their contexts."""
    context.max_content_width = context.terminal_width = 88
    yield context.command_path, context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            below = context.command.get_command(context, name)
            yield from commands(click.Context(below, context, info_name=name))


def notebook(path: Path) -> str:
    """Returns a notebook as a page: its texts, and its cells as code."""
    cells = nbformat.read(path, nbformat.NO_CONVERT).cells
    return "\n\n".join(
        cell.source
        if cell.cell_type == "markdown"
        else f"```python\n{cell.source}\n```"
        for cell in cells
    )
