"""How the numbers and times of all tables are written: they must agree."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import pyarrow as pa

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.recognise import guess
from components.ratings_example_gen.recognise.column_names import RATING, TIMESTAMP
from components.ratings_example_gen.recognise.ratings_table import Table

T = TypeVar("T")

UNIT_NAMES = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}


def with_numbers_and_times(tables: list[Table], declared: Dialect) -> list[Table]:
    """Returns the tables with the number marks and time format that all share.

    Raises:
        BadInputError: If two tables differ, or the format of the times is unknown.
    """
    decimal = (
        _agreed(
            tables,
            RATING,
            lambda table: guess.decimal(table.texts(RATING), declared.thousands),
            "data.decimal",
            lambda mark: f"with {mark!r}",
        )
        if declared.decimal is None
        else declared.decimal
    )
    times = None
    if declared.timestamp_format is None and declared.timestamp_unit is None:
        times = _agreed(tables, TIMESTAMP, _times, "data.timestamp_unit", _shown_times)
    timestamp_format, unit = times or ("", "s")
    shows = _shows(tables, declared.timestamp_format or timestamp_format)
    if decimal:
        shows |= {"decimal"}
    described = []
    for table in tables:
        dialect = replace(
            table.part.dialect,
            decimal=decimal or ".",
            thousands=declared.thousands or "",
            timestamp_format=declared.timestamp_format or timestamp_format,
            timestamp_unit=declared.timestamp_unit or unit,
            timezone=declared.timezone or "UTC",
            null_values=table.part.dialect.nulls,
        )
        part = replace(
            table.part,
            dialect=dialect,
            unit_is_guessed=declared.timestamp_unit is None,
        )
        described.append(replace(table, part=part, shows=shows))
    return described


def _shows(tables: Sequence[Table], timestamp_format: str) -> frozenset[str]:
    """Returns whether some times depend on a format, and some on a time zone."""
    timed = [table for table in tables if TIMESTAMP in dict(table.part.columns)]
    own = [kind for table in timed if (kind := _time_type(table)) is not None]
    found = {"times"} if len(own) < len(timed) else set()
    naive = [kind for kind in own if not getattr(kind, "tz", None)]
    if naive or (found and timestamp_format):
        found.add("local times")
    return frozenset(found)


def _agreed(
    tables: Sequence[Table],
    meaning: str,
    guessed: Callable[[Table], T | None],
    setting: str,
    shown: Callable[[T], str],
) -> T | None:
    """Returns what the tables show; None if none of them shows anything.

    Raises:
        BadInputError: If two of them show different things.
    """
    known: tuple[Table, T] | None = None
    for table in tables:
        found = guessed(table)
        if found is None:
            continue
        if known is not None and known[1] != found:
            raise fatal(
                table.part.name,
                input_errors.HEADER_MISMATCH,
                f"its {meaning}s are written {shown(found)}, those of "
                f"{known[0].part.name} {shown(known[1])}",
                f"Write all files in the same way, or set {setting}.",
            )
        known = known or (table, found)
    return known[1] if known else None


def _time_type(table: Table) -> pa.DataType | None:
    """Returns the Arrow type of a column of timestamps; None for other columns."""
    index = dict(table.part.columns).get(TIMESTAMP)
    if index is None or not table.sample.types:
        return None
    kind = table.sample.types[table.names[index]]
    return kind if pa.types.is_temporal(kind) else None


def _shown_times(found: tuple[str, str]) -> str:
    return f"as {found[0] or 'numbers in ' + found[1]}"


def _times(table: Table) -> tuple[str, str] | None:
    """Returns the format and unit of a table's times; None if it shows none.

    Raises:
        BadInputError: If they are neither numbers nor ISO 8601.
    """
    texts, index = table.texts(TIMESTAMP), dict(table.part.columns).get(TIMESTAMP)
    if index is None or not texts:
        return None
    if _time_type(table) is not None:
        return None
    found = guess.times(texts)
    if found is None:
        raise fatal(
            table.part.name,
            input_errors.NON_NUMERIC_TIME,
            f"times such as {texts[0]!r} are neither numbers nor ISO 8601",
            f"Set data.timestamp_format, such as '{guess.time_formats(texts[0])}'.",
        )
    if not found[0]:
        _check_unit(table.part, texts, found[1])
    return found


def _check_unit(part: Part, texts: Sequence[str], unit: str) -> None:
    """Refuses to read dates such as 20201110, or day counts, as seconds since 1970.

    Raises:
        BadInputError: If the times may be such dates or counts.
    """
    example = next(text for text in texts if guess.is_number(text))
    if written := guess.date_of_digits(texts):
        advice = f"If they are dates, set data.timestamp_format={written}"
    elif guess.are_of_another_unit(texts, unit):
        advice = (
            "If they count days (as in Excel), hours or minutes, write them as ISO 8601"
        )
    else:
        return
    raise fatal(
        part.name,
        input_errors.TIME_OUT_OF_RANGE,
        f"times such as {example!r} may be dates or counts of another unit, and would "
        f"be read as {UNIT_NAMES[unit]} since 1970",
        f"{advice}. If {UNIT_NAMES[unit]} since 1970 are right, set "
        f"data.timestamp_unit={unit}.",
    )
