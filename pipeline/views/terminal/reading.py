"""Describes how ratings are read: each column with an example, each setting."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.ratings_example_gen.recognise.column_names import SAVED_ROW_NUMBERS
from components.wording import counted
from pipeline.views.terminal.side_files import name_some

if TYPE_CHECKING:
    from components.ratings_example_gen.recognise.reading import (
        ColumnReading,
        Reading,
    )


def reading_facts(reading: "Reading") -> Iterator[tuple[str, str]]:
    """Yields headings and lines, as ``tables.fact_grid`` takes them."""
    heading = "Columns"
    for column in reading.columns:
        yield heading, _column(column)
        heading = ""
    if reading.unused:
        yield "Unused", name_some([_unused(name) for name in reading.unused])
    if reading.skipped:
        yield "Skipped", name_some(reading.skipped)
    for warning in reading.warnings:
        yield "Warning", warning
    heading = "Written"
    for setting in reading.settings:
        yield heading, f"data.{setting.name}: {setting.value} ({setting.origin})"
        heading = ""
    if reading.empty:
        yield "Empty", f"{len(reading.empty)} left out: {name_some(reading.empty)}"


def describe_late_keys(late_keys: Mapping[str, int]) -> str:
    """Returns the keys of JSON objects that were neither read nor shown before.

    Args:
        late_keys: Key → number of rows that have it.
    """
    named = [f"{key!r} (in {counted(n, 'row')})" for key, n in late_keys.items()]
    return (
        f"{name_some(named)} first occurred below the lines from which columns are "
        "recognised; not read"
    )


def _unused(name: str) -> str:
    if name == SAVED_ROW_NUMBERS:
        return name
    return repr(name) if name.strip() else "(no name)"


def _column(column: "ColumnReading") -> str:
    verb = "is read from" if column.column == "no column" else "is"
    line = f"{column.meaning} {verb} {column.column} ({column.origin})"
    if not column.written:
        return line
    example = repr(column.written)
    if column.read != column.written:
        example += f" is read as {column.read}"
    return f"{line}, such as {example}"
