"""Warns of a column with types of events, where none are configured."""

from collections.abc import Iterator

from components.ratings_example_gen.recognise.column_names import EVENT_TYPE, match
from components.ratings_example_gen.recognise.ratings_table import Table

_MAX_NAMED = 5


def column_of(table: Table) -> str | None:
    """Returns the header of the column that seems to have types of events.

    It is the one that was named for them, or else the one with a usual name; None if
    there is no such column, there are several, or a person declared that there is none.
    """
    read = dict(table.part.columns)
    if EVENT_TYPE in table.unread or not table.names:
        return None
    if EVENT_TYPE in read:
        return table.names[read[EVENT_TYPE]]
    found = match(EVENT_TYPE, table.names, list(read.values()))
    return table.names[found[0]] if len(found) == 1 else None


def warnings(table: Table) -> Iterator[str]:
    """Yields a warning of rows that count alike although their types may differ."""
    column = column_of(table)
    if column is None:
        return
    index = table.names.index(column)
    types = list(dict.fromkeys(row[index].strip() for row in table.rows))
    if len(types) < 2:  # noqa: PLR2004 (there is nothing to tell apart)
        return
    shown = ", ".join(map(repr, types[:_MAX_NAMED]))
    yield (
        f"{column!r} seems to have types of events, such as {shown}, and events.types "
        "is not set, so that each row counts alike. `marquee data` counts the types, "
        "and shows a configuration to start from. To confirm that there are none: "
        f"--column {EVENT_TYPE}=none."
    )
