"""Assigns meanings to columns, from the settings or from their headers."""

from collections.abc import Collection, Mapping, Sequence

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.input_errors import BadInputError, fatal
from components.ratings_example_gen.parts import JSON_LINES, PARQUET, TEXT, Part
from components.ratings_example_gen.recognise.column_names import (
    ALL_COLUMNS,
    ITEM_ID,
    USER_ID,
    match,
)

_MAX_NAMED = 12
# Format → what names the columns.
_HEADERS = {
    TEXT: "first line",
    PARQUET: "list of columns",
    JSON_LINES: "list of keys",
}
_IF_SPLIT_WRONGLY = " If the line is split in the wrong places, set data.delimiter."


def mapped(
    part: Part, names: list[str] | None, width: int, columns: Mapping[str, str]
) -> dict[str, tuple[int, bool]]:
    """Returns each mapped meaning's column, and whether its header was given.

    Args:
        part: The file, for errors.
        names: Headers; None if there are none.
        width: Number of columns.
        columns: Meaning → header or 0-based number.

    Raises:
        BadInputError: If a column does not exist, or a header occurs twice.
    """
    found = {}
    for name, column in columns.items():
        if name not in ALL_COLUMNS:
            raise _mismatch(part, names or (), f"cannot have a column for {name!r}")
        column = as_written(column, names or ())
        if names is not None and column in names:
            if names.count(column) > 1:
                numbers = [i for i, other in enumerate(names) if other == column]
                shown = " and ".join(map(str, numbers))
                raise _mismatch(
                    part,
                    names,
                    f"has two columns {column!r}, at {shown} counted from 0; set "
                    f"--column {name}={numbers[0]} or the other number",
                )
            found[name] = (names.index(column), True)
        elif column.isdecimal() and int(column) < width:
            found[name] = (int(column), False)
        else:
            raise _mismatch(part, names or (), f"has no column {column!r} for {name}")
    return found


def as_written(column: str, names: Sequence[str]) -> str:
    """Returns the spelling of a column in the header, if only the case differs."""
    if column in names:
        return column
    alike = [name for name in names if name.strip().lower() == column.lower()]
    return alike[0] if len(alike) == 1 else column


def recognised(
    part: Part, names: Sequence[str], known: Collection[str], taken: Sequence[int]
) -> dict[str, int]:
    """Returns the columns of the meanings that the settings do not map.

    Args:
        part: The file, for errors.
        names: Headers.
        known: Meanings that are mapped, or not wanted.
        taken: Numbers, from 0, of the columns that already have a meaning.

    Raises:
        BadInputError: If several columns could have the same meaning.
    """
    found = {}
    for meaning in ALL_COLUMNS:
        if meaning in known:
            continue
        candidates = match(meaning, names, taken)
        if len(candidates) > 1:
            both = " and ".join(repr(names[index]) for index in candidates)
            one = names[candidates[0]]
            one = one if names.count(one) == 1 else str(candidates[0])
            raise fatal(
                part.name,
                input_errors.HEADER_MISMATCH,
                f"each of its columns {both} may hold the {meaning}",
                f"Name one: --column {meaning}={one} "
                f"(data.columns.{meaning} in the configuration); a number is a "
                "position counted from 0.",
            )
        if candidates:
            found[meaning] = candidates[0]
    return found


def check_columns(
    part: Part,
    names: Sequence[str],
    places: Mapping[str, int],
    needed: Collection[str] = (),
) -> None:
    """Checks that no column has two meanings and that both ids have a column.

    Args:
        part: The file, for errors.
        names: Headers.
        places: Meaning → 0-based column.
        needed: Further meanings that must have a column.

    Raises:
        BadInputError: If a column has two meanings, or an id has no column.
    """
    if len(set(places.values())) < len(places):
        raise _mismatch(part, names, "has one column for two of the mapped meanings")
    missing = [name for name in (USER_ID, ITEM_ID, *needed) if name not in places]
    if missing:
        what = f"has no column recognised as {' or '.join(missing)}"
        folders = part.name.split("/")[:-1]
        for name in missing:
            if any(folder.startswith(f"{name}=") for folder in folders):
                what += f"; {name} is in the name of a folder, which is not read"
        raise _mismatch(part, names, what)


def _mismatch(part: Part, names: Sequence[str], what: str) -> BadInputError:
    """Returns the error for a part whose columns are not as expected."""
    return fatal(
        part.name,
        input_errors.HEADER_MISMATCH,
        f"{name_header(part, names)} {what}",
        "Name the columns: --column user_id=NAME (data.columns.user_id in a "
        "configuration), and also item_id, rating, timestamp and event_type. NAME is a "
        "header or a number counted from 0."
        + (_IF_SPLIT_WRONGLY if part.format == TEXT else ""),
    )


def name_header(part: Part, names: Sequence[str]) -> str:
    """Returns the first names of a part's columns, for an error."""
    shown = ", ".join(names[:_MAX_NAMED])
    if len(names) > _MAX_NAMED:
        shown += f" and {len(names) - _MAX_NAMED:,} more"
    return f"the {_HEADERS[part.format]} ({shown})"
