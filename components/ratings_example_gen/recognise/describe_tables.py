"""Describes tables of ratings by their headers, a mapping, or the usual order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.parts import JSON_LINES, TEXT, Part
from components.ratings_example_gen.recognise import guess
from components.ratings_example_gen.recognise.column_meanings import (
    check_columns,
    mapped,
    recognised,
)
from components.ratings_example_gen.recognise.column_names import (
    ALL_COLUMNS,
    EVENT_TYPE,
    ITEM_ID,
    NOT_READ,
    RATING,
    RATINGS_COLUMNS,
    SAVED_ROW_NUMBERS,
    TIMESTAMP,
    USER_ID,
    plain,
)
from components.ratings_example_gen.recognise.header_row import (
    check_usual_order,
    counts_up,
    has_header,
    index_column,
    is_in_usual_order,
    is_plausible,
)
from components.ratings_example_gen.recognise.json_sample import occurs
from components.ratings_example_gen.recognise.numbers_and_times import (
    with_numbers_and_times,
)
from components.ratings_example_gen.recognise.ratings_table import Table
from components.ratings_example_gen.recognise.sample import Sample, empty_file_error
from components.ratings_example_gen.recognise.take_sample import take_sample


@dataclass(frozen=True)
class _Wanted:
    """What a person declared about the columns.

    Attributes:
        columns: Meaning → header or position.
        unread: Meanings whose column must not be read.
        header: Whether text has a header; None if nothing was declared.
        has_events: Whether types of events are configured.
    """

    columns: Mapping[str, str]
    unread: frozenset[str]
    header: bool | None
    has_events: bool


@dataclass
class _Columns:
    """The columns of one table while they are being recognised.

    Attributes:
        part: The file.
        names: Their headers; None if there are none.
        rows: Rows with the usual number of fields.
        width: Number of columns.
        index: The column of row numbers that pandas saved; None if there is none.
        places: Meaning → 0-based column.
        by_position: Meanings whose column is known by its position.
    """

    part: Part
    names: list[str] | None
    rows: guess.Records
    width: int
    index: int | None = None
    places: dict[str, int] = field(default_factory=dict)
    by_position: set[str] = field(default_factory=set)

    @property
    def shown(self) -> list[str]:
        """The headers or, without any, the first row; for errors."""
        return self.rows[0] if self.names is None else self.names


def describe_tables(
    parts: Sequence[Part],
    columns: Mapping[str, str],
    declared: Dialect,
    *,
    has_events: bool = False,
) -> tuple[list[Table], list[Part]]:
    """Returns the tables of ratings, and the parts that are empty.

    Args:
        parts: Files of which only the names and sizes are known.
        columns: Meaning → header or position, as a person gave them.
        declared: The dialect as a person declared it; the rest is guessed.
        has_events: Whether types of events are configured: then their column is looked
            for, and no ratings are read.

    Raises:
        BadInputError: If a part lacks a column, can be read in two ways, is written
            differently from the others, or all of them are empty.
    """
    unread = {
        name
        for name in (RATING, TIMESTAMP, EVENT_TYPE)
        if columns.get(name) == NOT_READ
    }
    if has_events:
        unread.add(RATING)
    columns = {name: column for name, column in columns.items() if name not in unread}
    wanted = _Wanted(columns, frozenset(unread), declared.header, has_events)
    tables, without = [], []
    for part in parts:
        sample = take_sample(
            part, declared, lambda records: is_plausible(records, columns)
        )
        if sample is None:
            without.append(part)
        else:
            tables.append(_table(sample, wanted))
    if not tables:
        raise empty_file_error(parts[0])
    for table in tables[1:]:
        _check_same_columns(tables[0], table)
    return with_numbers_and_times(tables, declared), without


def _table(sample: Sample, wanted: _Wanted) -> Table:
    if sample.part.format == JSON_LINES:
        sample = _with_late_keys(sample, wanted.columns)
    columns = _columns_of(sample, wanted)
    part, names = columns.part, columns.names
    found = mapped(part, names, columns.width, wanted.columns)
    columns.by_position = {name for name, (_, by_name) in found.items() if not by_name}
    columns.places = {name: place for name, (place, _) in found.items()}
    index = [] if columns.index is None else [columns.index]
    taken = [*columns.places.values(), *index]
    if names is not None:
        known = {*columns.places, *wanted.unread}
        if not wanted.has_events:
            known.add(EVENT_TYPE)  # A warning names its column.
        columns.places |= recognised(part, names, known, taken)
    if not wanted.columns and not columns.places.keys() & {USER_ID, ITEM_ID}:
        _try_usual_order(columns, wanted, taken)
    needed = (EVENT_TYPE,) if wanted.has_events else ()
    check_columns(part, columns.shown, columns.places, needed)
    places = {
        name: place
        for name, place in columns.places.items()
        if name not in wanted.unread
    }
    known = {*places, *wanted.unread}
    described = replace(
        part,
        num_fields=columns.width,
        keys=part.keys or tuple(names or ()),
        columns=tuple((name, places[name]) for name in ALL_COLUMNS if name in places),
        absent=tuple(name for name in RATINGS_COLUMNS if name not in known),
    )
    # A JSON key may hold half a character, which can be neither shown nor stored.
    shown = tuple(
        name.encode("utf-8", "backslashreplace").decode() for name in names or ()
    )
    return Table(
        described,
        sample,
        shown,
        columns.rows,
        frozenset(columns.by_position),
        _unused(shown, places, columns.index),
        tuple(sorted(wanted.unread)),
    )


def _columns_of(sample: Sample, wanted: _Wanted) -> _Columns:
    """Returns the columns of a sample, with the header taken off its rows.

    Raises:
        BadInputError: If two columns of Parquet have the same name, or the first
            record of text can be a header or a row.
    """
    part = sample.part
    names, rows = sample.names, sample.records
    if part.format == TEXT:
        header = has_header(part, rows, wanted.columns, wanted.header)
        names = rows[0] if header else None
        rows = rows[1:] if header else rows
        part = replace(part, dialect=replace(part.dialect, header=header))
    elif part.format != JSON_LINES and names and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise fatal(
            part.name,
            input_errors.HEADER_MISMATCH,
            f"it has two columns {twice!r}",
            "Rename one, or leave it out: Parquet columns are read by name.",
        )
    # The first row may be one that has a separator too many.
    width = _usual_width(rows) if names is None else len(names)
    rows = [row for row in rows if len(row) == width]
    index = index_column(names, rows) if names is not None else None
    return _Columns(part, names, rows, width, index)


def _usual_width(rows: guess.Records) -> int:
    """Returns the number of fields that most rows have."""
    [(width, _)] = Counter(map(len, rows)).most_common(1)
    return width


def _try_usual_order(columns: _Columns, wanted: _Wanted, taken: Sequence[int]) -> None:
    """Fills in the usual order of columns if nothing names them.

    Args:
        columns: The columns of the table.
        wanted: What a person declared about them.
        taken: Columns that a person mapped, and the row numbers that pandas saved.

    Raises:
        BadInputError: If a column of ratings or users then looks like times.
    """
    names, rows = columns.names, columns.rows
    free = [index for index in range(columns.width) if index not in taken]
    if names is None:
        first = [rows[0][index] for index in free]
        is_declared = wanted.header is False
        fits = is_declared and 2 <= len(first) <= len(RATINGS_COLUMNS)
        is_usual = fits or is_in_usual_order(first)
    else:
        is_numbered = columns.index is not None or bool(wanted.header)
        is_usual = is_numbered and counts_up([names[index] for index in free])
    if not is_usual:
        return
    columns.places = dict(zip(RATINGS_COLUMNS, free, strict=False))
    columns.by_position = set(columns.places)
    read = {
        name: place
        for name, place in columns.places.items()
        if name not in wanted.unread
    }
    check_usual_order(columns.part, rows, read)


def _with_late_keys(sample: Sample, columns: Mapping[str, str]) -> Sample:
    """Returns a sample of JSON lines with the named keys that first occur later on."""
    names = sample.names or []
    named = [name for name in columns.values() if name not in names]
    late = [
        name for name in named if not name.isdecimal() and occurs(sample.part, name)
    ]
    return replace(
        sample,
        part=replace(sample.part, keys=(*sample.part.keys, *late)),
        names=names + late,
        records=[record + [""] * len(late) for record in sample.records],
    )


def _unused(
    names: Sequence[str], places: Mapping[str, int], index: int | None
) -> tuple[str, ...]:
    return tuple(
        SAVED_ROW_NUMBERS if column == index else name
        for column, name in enumerate(names)
        if column not in places.values()
    )


def _check_same_columns(first: Table, other: Table) -> None:
    """Refuses parts whose columns differ, or of which only one has a header.

    Raises:
        BadInputError: If the two parts differ so.
    """
    texts = first.part.format == other.part.format == TEXT
    same_header = not texts or first.part.dialect.header == other.part.dialect.header
    if dict(first.part.columns).keys() != dict(other.part.columns).keys() or (
        not same_header
    ):
        raise fatal(
            other.part.name,
            input_errors.HEADER_MISMATCH,
            f"its header or columns differ from those of {first.part.name}",
            "Give all files the same header, or map fewer columns in data.columns.",
        )
    for meaning, _ in first.part.columns:
        header, others = _header(first, meaning), _header(other, meaning)
        if header and others and plain(header) != plain(others):
            raise fatal(
                other.part.name,
                input_errors.HEADER_MISMATCH,
                f"its {meaning} would be read from the column {others!r}, but that of "
                f"{first.part.name} from the column {header!r}",
                "Give all files the same header, or read them in separate runs.",
            )


def _header(table: Table, meaning: str) -> str | None:
    """Returns the header of a meaning's column; None if its position identifies it."""
    if not table.names or meaning in table.by_position:
        return None
    return table.names[dict(table.part.columns)[meaning]]
