"""Tables of ratings, and how the numbers and times of all of them are written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import pyarrow as pa

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.recognise import guess
from components.ratings_example_gen.recognise.column_names import RATING, TIMESTAMP
from components.ratings_example_gen.recognise.parts import Part
from components.ratings_example_gen.recognise.sample import Sample

T = TypeVar("T")

UNIT_NAMES = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}


@dataclass(frozen=True)
class Table:
    """A part of ratings, and what its beginning shows.

    Attributes:
        part: With columns and dialect.
        sample: What its beginning shows.
        names: Header of each column, empty where there is none.
        rows: Some rows as texts, those that have the right number of fields.
        by_position: Meanings whose column is given or guessed by its place.
        unused: Columns without a meaning, and the row numbers that pandas saved.
        unread: Meanings whose column a person does not want to be read.
        shows: What the sample shows: ``decimal``, ``times`` or ``local times``.
    """

    part: Part
    sample: Sample
    names: tuple[str, ...]
    rows: list[list[str]]
    by_position: frozenset[str]
    unused: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    shows: frozenset[str] = frozenset()

    def values(self, meaning: str) -> pa.Array:
        """Returns a column's values in the sample, as a reader yields them."""
        index = dict(self.part.columns)[meaning]
        if self.sample.types:
            return self.sample.bounds_of(self.names[index])
        values = [row[index].encode("utf-8", "surrogatepass") for row in self.rows]
        return pa.array(values, pa.binary())

    def texts(self, meaning: str) -> list[str]:
        """Returns a column's values in the sample, without null values."""
        index = dict(self.part.columns).get(meaning)
        if index is None:
            return []
        nulls = self.part.dialect.nulls
        values = [row[index].strip() for row in self.rows]
        return [value for value in values if value not in nulls]


def with_numbers_and_times(tables: list[Table], declared: Dialect) -> list[Table]:
    """Returns the tables with the marks of numbers and the form of times, of all."""
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
    """Returns whether there are times that need a form, or a time zone."""
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
    """Returns what the parts show; None where none shows anything.

    Raises:
        BadInputError: When two of them show different things.
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
                f"it writes its {meaning}s {shown(found)}, "
                f"{known[0].part.name} {shown(known[1])}",
                f"Write all parts alike, or set {setting}.",
            )
        known = known or (table, found)
    return known[1] if known else None


def _time_type(table: Table) -> pa.DataType | None:
    """Returns the type of a column of times that needs no form; None for others."""
    index = dict(table.part.columns).get(TIMESTAMP)
    if index is None or not table.sample.types:
        return None
    kind = table.sample.types[table.names[index]]
    return kind if pa.types.is_temporal(kind) else None


def _shown_times(found: tuple[str, str]) -> str:
    return f"as {found[0] or 'numbers in ' + found[1]}"


def _times(table: Table) -> tuple[str, str] | None:
    """Returns the form of a part's times; None where it shows none.

    Raises:
        BadInputError: When they are neither numbers nor ISO 8601.
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
    """Refuses to guess that dates such as 20201110, or days, are seconds of 1970."""
    example = next(text for text in texts if guess.is_number(text))
    if written := guess.date_of_digits(texts):
        advice = f"If they are dates, set data.timestamp_format={written}"
    elif guess.are_of_another_unit(texts, unit):
        advice = "Excel's days, and counts of days or minutes: write them as ISO 8601"
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
