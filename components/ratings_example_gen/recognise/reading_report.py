"""Describes how ratings are read, and compares it with how earlier ones were read."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import (
    READ_DIFFERENTLY,
    BadInputError,
    Problem,
)
from components.ratings_example_gen.parts import TEXT, Part
from components.ratings_example_gen.read.bad_rows import Faults
from components.ratings_example_gen.read.event_types import to_event_types
from components.ratings_example_gen.read.ids import to_ids
from components.ratings_example_gen.read.numbers import to_numbers
from components.ratings_example_gen.read.times import shown_time, to_times
from components.ratings_example_gen.recognise import (
    duplicate_files,
    event_types,
    implausible_times,
    preamble,
    unrecognised_columns,
)
from components.ratings_example_gen.recognise.column_names import (
    EVENT_TYPE,
    ITEM_ID,
    RATING,
    TIMESTAMP,
    USER_ID,
)
from components.ratings_example_gen.recognise.guess import shown_delimiter
from components.ratings_example_gen.recognise.ratings_table import Table
from components.ratings_example_gen.recognise.reading import (
    GIVEN,
    GUESSED,
    NO_COLUMN,
    WEIGHT,
    ColumnReading,
    Reading,
    SettingReading,
)


def reading_of(
    tables: Sequence[Table],
    declared: Dialect,
    given: Sequence[str],
    empty: Sequence[Part],
    *,
    has_events: bool = False,
) -> Reading:
    """Returns how some tables are read.

    Args:
        tables: All tables of ratings; they agree on columns, numbers and times.
        declared: The dialect as a person declared it.
        given: Meanings whose column a person named.
        empty: Files without content.
        has_events: Whether types of events are configured.
    """
    first = tables[0]
    return Reading(
        tuple(
            _column(first, meaning, index, meaning in given)
            for meaning, index in first.part.columns
        )
        + tuple(
            ColumnReading(meaning, _instead(meaning, given), GIVEN, "", "")
            for meaning in first.unread
        ),
        tuple(_settings(tables, declared)),
        tuple(first.unused),
        tuple(part.name for part in empty),
        tuple(
            preamble.shown(table.part.name, table.part.preamble)
            for table in tables
            if table.part.preamble
        ),
        (
            *duplicate_files.warnings(tables),
            *unrecognised_columns.warnings(first, declared),
            *implausible_times.warnings(tables, declared),
            *(() if has_events else event_types.warnings(first)),
        ),
    )


def _instead(meaning: str, given: Sequence[str]) -> str:
    """Returns what is read instead of a column: nothing, or the weights of events."""
    return WEIGHT if meaning == RATING and RATING not in given else NO_COLUMN


def _column(table: Table, meaning: str, index: int, given: bool) -> ColumnReading:
    if not table.names:
        column = f"column {index} (counted from 0)"
    elif meaning in table.by_position:
        column = f"{table.names[index]!r}, column {index} (counted from 0)"
    else:
        column = f"{table.names[index]!r}"
    written, read = _example(table, meaning)
    return ColumnReading(meaning, column, GIVEN if given else GUESSED, written, read)


def _example(table: Table, meaning: str) -> tuple[str, str]:
    """Returns the first readable value, as it is written and as it is read."""
    values, faults = table.values(meaning), Faults(len(table.values(meaning)))
    if not len(values):
        return "", ""
    try:
        read = _read(values, meaning, table.part, faults)
    except pa.ArrowException:
        return "", ""  # The reader reports the type, which it does not support.
    good = [row for row, is_good in enumerate(faults.good) if is_good]
    if not good:
        return "", ""
    value = values[good[0]].as_py()
    written = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return written, read[good[0]]


def _read(values: pa.Array, meaning: str, part: Part, faults: Faults) -> list[str]:
    if meaning == EVENT_TYPE:
        return to_event_types(values, part, faults, None).to_pylist()
    if meaning in (USER_ID, ITEM_ID):
        return [
            str(value) for value in to_ids(values, meaning, part, faults).to_pylist()
        ]
    if meaning == TIMESTAMP:
        return [shown_time(seconds) for seconds in to_times(values, part, faults)]
    return [f"{number:g}" for number in to_numbers(values, meaning, "", part, faults)]


def _settings(tables: Sequence[Table], declared: Dialect) -> list[SettingReading]:
    def setting(name: str, values: Sequence[str | None]) -> list[SettingReading]:
        known = sorted({value for value in values if value})
        origin = GUESSED if getattr(declared, name) is None else GIVEN
        return [SettingReading(name, " and ".join(known), origin)] if known else []

    text = [table.part.dialect for table in tables if table.part.format == TEXT]
    dialect = tables[0].part.dialect
    found = setting("delimiter", [shown_delimiter(other.delimiter) for other in text])
    found += setting("encoding", [other.encoding for other in text])
    found += setting("quote", [other.quote for other in text])
    found += setting("escape", [other.escape for other in text])
    found += setting("header", ["yes" if other.header else "no" for other in text])
    shows = tables[0].shows
    if "decimal" in shows or declared.decimal:
        found += setting("decimal", [dialect.decimal])
    found += setting("thousands", [_shown(dialect.thousands)])
    if "times" in shows:
        if dialect.timestamp_format:
            found += setting("timestamp_format", [dialect.timestamp_format])
        else:
            found += setting("timestamp_unit", [dialect.timestamp_unit])
    if "local times" in shows or declared.timezone:
        found += setting("timezone", [dialect.timezone])
    return found


def _shown(mark: str | None) -> str | None:
    return "blank" if mark == " " else mark


def check_same(earlier: Reading, reading: Reading, place: str) -> None:
    """Refuses files that a guess would read differently from earlier files.

    Whatever a person states now is intended, and is not compared.

    Args:
        earlier: How the earlier files were read.
        reading: How the new files would be read.
        place: Path of the new files, for the error.

    Raises:
        BadInputError: If a guessed column or setting differs.
    """
    changes = [
        *_changes(
            {column.meaning: column.column for column in earlier.columns},
            {col.meaning: (col.column, col.origin) for col in reading.columns},
            "data.columns.",
            all_of_them=True,
        ),
        *_changes(
            {setting.name: setting.value for setting in earlier.settings},
            {
                setting.name: (setting.value, setting.origin)
                for setting in reading.settings
            },
            "data.",
            all_of_them=False,
        ),
    ]
    if changes:
        raise BadInputError(
            [Problem(place, 0, READ_DIFFERENTLY, change) for _, change in changes],
            advice="Correct the files, or state the right values: set "
            f"{', '.join(setting for setting, _ in changes)}.",
        )


def _changes(
    before: Mapping[str, str],
    now: Mapping[str, tuple[str, str]],
    prefix: str,
    *,
    all_of_them: bool,
) -> Iterator[tuple[str, str]]:
    """Yields each setting whose guess differs, and a sentence with both values."""
    none = (NO_COLUMN, GUESSED)
    for name in sorted({*before, *now} if all_of_them else before.keys() & now.keys()):
        old, (new, origin) = before.get(name, none[0]), now.get(name, none)
        if old != new and origin == GUESSED:
            yield (
                prefix + name,
                f"{prefix}{name}: earlier files were read with {old}, these would be "
                f"read with {new}",
            )
