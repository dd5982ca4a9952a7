"""A person's own tables, described by headers, mappings or the usual order."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import NULL_VALUES, Dialect
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.recognise import guess
from components.ratings_example_gen.recognise.column_names import (
    ITEM_ID,
    NOT_READ,
    PANDAS_INDEX,
    RATING,
    RATINGS_COLUMNS,
    SAVED_ROW_NUMBERS,
    TIMESTAMP,
    USER_ID,
    match,
    plain,
)
from components.ratings_example_gen.recognise.headers import (
    as_written,
    check_columns,
    mapped,
    recognised,
)
from components.ratings_example_gen.recognise.parts import (
    JSON_LINES,
    TEXT,
    Part,
)
from components.ratings_example_gen.recognise.sample import Sample, empty, occurs, take
from components.ratings_example_gen.recognise.tables import (
    Table,
    with_numbers_and_times,
)


def describe(
    parts: Sequence[Part], columns: Mapping[str, str], declared: Dialect
) -> tuple[list[Table], list[Part]]:
    """Returns the tables of ratings, and the parts that hold nothing.

    Args:
        parts: Files, of which nothing is known but their names.
        columns: Meaning → header or position, as a person gave them.
        declared: What a person said of the text; the rest is guessed.

    Raises:
        BadInputError: When a part lacks a column, can be read in two ways, is written
            in another way than the others, or all of them are empty.
    """
    unread = frozenset(
        name for name in (RATING, TIMESTAMP) if columns.get(name) == NOT_READ
    )
    columns = {name: column for name, column in columns.items() if name not in unread}
    tables, without = [], []
    for part in parts:
        sample = take(part, declared, lambda records: _is_plausible(records, columns))
        if sample is None:
            without.append(part)
        else:
            tables.append(_table(sample, columns, declared.header, unread))
    if not tables:
        raise empty(parts[0])
    for table in tables[1:]:
        _check_same_columns(tables[0], table)
    return with_numbers_and_times(tables, declared), without


def _is_plausible(records: guess.Records, columns: Mapping[str, str]) -> bool:
    """Whether records look like ratings: a known header, or the usual order."""
    first, *rest = records
    named = [column for column in columns.values() if not column.isdecimal()]
    if named:
        return all(as_written(column, first) in first for column in named)
    if columns:
        return max(map(int, columns.values())) < len(first)
    if match(USER_ID, first) and match(ITEM_ID, first):
        return True
    return _index_column(first, rest) is not None or _in_usual_order(first)


def _table(
    sample: Sample,
    columns: Mapping[str, str],
    declared_header: bool | None,
    unread: frozenset[str],
) -> Table:
    part = sample.part
    names, rows = sample.names, sample.records
    if part.format == TEXT:
        first = sample.records[0]
        header = _has_header(part, first, rows[1:], columns, declared_header)
        names = first if header else None
        rows = rows[1:] if header else rows
        part = replace(part, dialect=replace(part.dialect, header=header))
    elif names is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise fatal(
            part.name,
            input_errors.HEADER_MISMATCH,
            f"it has two columns {twice!r}",
            "Rename one, or leave it out: columns of Parquet are read by their names.",
        )
    elif part.format == JSON_LINES:
        sample = _with_late_keys(sample, columns)
        part, names, rows = sample.part, sample.names, sample.records
    # A row with a separator too many may be the first one.
    model_row = _of_usual_width(rows) if names is None else []
    width = len(names if names is not None else model_row)
    rows = [row for row in rows if len(row) == width]
    index_column = _index_column(names, rows) if names is not None else None
    found = mapped(part, names, width, columns)
    by_position = {name for name, (_, by_name) in found.items() if not by_name}
    places = {name: place for name, (place, _) in found.items()}
    taken = [*places.values(), *([] if index_column is None else [index_column])]
    if names is not None:
        places |= recognised(part, names, {*places, *unread}, taken)
    if not columns and not places.keys() & {USER_ID, ITEM_ID}:
        free = [index for index in range(width) if index not in taken]
        first = [model_row[index] for index in free] if names is None else []
        without = declared_header is False and 2 <= len(first) <= len(RATINGS_COLUMNS)
        numbered = index_column is not None or declared_header
        if (names is None and (without or _in_usual_order(first))) or (
            numbered and names and _counts_up([names[i] for i in free])
        ):
            places = dict(zip(RATINGS_COLUMNS, free, strict=False))
            by_position = set(places)
            read = {name: places[name] for name in places if name not in unread}
            _check_usual_order(part, rows, read)
    check_columns(part, names or model_row, places)
    places = {name: place for name, place in places.items() if name not in unread}
    known = {*places, *unread}
    described = replace(
        part,
        num_fields=width,
        keys=part.keys or tuple(names or ()),
        columns=tuple(
            (name, places[name]) for name in RATINGS_COLUMNS if name in places
        ),
        absent=tuple(name for name in RATINGS_COLUMNS if name not in known),
    )
    # A key of JSON may hold half a character, which can be neither shown nor stored.
    shown = tuple(
        name.encode("utf-8", "backslashreplace").decode() for name in names or ()
    )
    return Table(
        described,
        sample,
        shown,
        rows,
        frozenset(by_position),
        _unused(shown, places, index_column),
        tuple(sorted(unread)),
    )


def _of_usual_width(rows: guess.Records) -> list[str]:
    """Returns the first row that has as many fields as most rows have."""
    [(usual, _)] = Counter(map(len, rows)).most_common(1)
    return next(row for row in rows if len(row) == usual)


def _with_late_keys(sample: Sample, columns: Mapping[str, str]) -> Sample:
    """Returns a sample of JSON lines with keys that were named and occur later on."""
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
    names: Sequence[str], places: Mapping[str, int], index_column: int | None
) -> tuple[str, ...]:
    return tuple(
        SAVED_ROW_NUMBERS if index == index_column else name
        for index, name in enumerate(names)
        if index not in places.values()
    )


def _has_header(
    part: Part,
    first: list[str],
    rest: guess.Records,
    columns: Mapping[str, str],
    declared: bool | None,
) -> bool:
    if declared is not None:
        return declared
    if _index_column(first, rest) is not None:
        return True
    if any(not column.isdecimal() for column in columns.values()):
        return True
    if match(USER_ID, first) and match(ITEM_ID, first):
        return True
    if any(int(column) in match(name, first) for name, column in columns.items()):
        return True
    if len(first) > 1 and _counts_up(first):
        raise fatal(
            part.name,
            input_errors.HEADER_MISMATCH,
            f"its first line ({', '.join(first)}) can be a header or a row of ratings",
            "Set data.header to true or false.",
        )
    full = [row for row in rest if len(row) == len(first)]
    return bool(full) and any(
        all(guess.is_number(row[i]) for row in full) and not _is_value(first[i])
        for i in range(len(first))
    )


def _is_value(text: str) -> bool:
    return not text.strip() or guess.is_time(text) or text.strip() in NULL_VALUES


def _counts_up(names: Sequence[str]) -> bool:
    return list(names) == [str(number) for number in range(len(names))]


def _index_column(names: Sequence[str], rows: guess.Records) -> int | None:
    """Returns the column that pandas writes without a name: the rows' numbers."""
    if not names or names[0] not in PANDAS_INDEX:
        return None
    numbers = [row[0] for row in rows if row]
    is_index = all(number.isdecimal() for number in numbers)
    return 0 if is_index and len(set(numbers)) == len(numbers) else None


def _in_usual_order(first: Sequence[str]) -> bool:
    """Whether the first row looks like data: numbers where numbers are expected.

    Of two ids one must have a digit, or a header would pass for a rating.
    """
    if not 2 <= len(first) <= 4:
        return False
    if len(first) == 2 and not re.search(r"\d", "".join(first)):
        return False
    return all(guess.is_number(text, comma=True) for text in first[2:3]) and all(
        guess.is_time(text) or re.match(r"\d", text.strip()) for text in first[3:]
    )


def _check_usual_order(
    part: Part, rows: guess.Records, places: Mapping[str, int]
) -> None:
    """Refuses the usual order where times are in the place of ratings or users."""

    def are_times(meaning: str) -> bool:
        if meaning not in places:
            return False
        values = [row[places[meaning]].strip() for row in rows]
        return guess.are_times([v for v in values if v not in NULL_VALUES])

    wrong = RATING if are_times(RATING) else None
    if TIMESTAMP in places and not are_times(TIMESTAMP) and are_times(USER_ID):
        wrong = USER_ID
    if wrong:
        place = places[wrong]
        raise fatal(
            part.name,
            input_errors.HEADER_MISMATCH,
            f"without names, column {place} (counted from 0) is the {wrong}, but "
            f"{rows[0][place]!r} looks like a time",
            "Say which columns they are: --column user_id=NUMBER --column "
            f"item_id=NUMBER --column timestamp={place}, and rating if there is one.",
        )


def _check_same_columns(first: Table, other: Table) -> None:
    """Refuses parts whose columns differ, or of which only one has a header."""
    texts = first.part.format == other.part.format == TEXT
    same_header = not texts or first.part.dialect.header == other.part.dialect.header
    if dict(first.part.columns).keys() != dict(other.part.columns).keys() or (
        not same_header
    ):
        raise fatal(
            other.part.name,
            input_errors.HEADER_MISMATCH,
            f"its header or columns are not those of {first.part.name}",
            "Give all parts the same header, or map fewer columns in data.columns.",
        )
    for meaning, _ in first.part.columns:
        header, others = _header(first, meaning), _header(other, meaning)
        if header and others and plain(header) != plain(others):
            raise fatal(
                other.part.name,
                input_errors.HEADER_MISMATCH,
                f"its {meaning} would be read from the column {others!r}, but that of "
                f"{first.part.name} from the column {header!r}",
                "Give all parts the same header, or read them in runs of their own.",
            )


def _header(table: Table, meaning: str) -> str | None:
    """Returns the header of a meaning's column; None where its position counts."""
    if not table.names or meaning in table.by_position:
        return None
    return table.names[dict(table.part.columns)[meaning]]
