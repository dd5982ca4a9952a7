"""Whether a table has a header, or is in the usual order: user, item, rating, time."""

import re
from collections.abc import Mapping, Sequence

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import NULL_VALUES
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.recognise import guess
from components.ratings_example_gen.recognise.column_meanings import as_written
from components.ratings_example_gen.recognise.column_names import (
    ITEM_ID,
    PANDAS_INDEX,
    RATING,
    TIMESTAMP,
    USER_ID,
    match,
)


def is_plausible(records: guess.Records, columns: Mapping[str, str]) -> bool:
    """Returns whether records look like ratings: a known header, or the usual order.

    Args:
        records: The first records of a file.
        columns: Meaning → header or position of the columns that a person named.
    """
    first, *rest = records
    named = [column for column in columns.values() if not column.isdecimal()]
    if named:
        return all(as_written(column, first) in first for column in named)
    if columns:
        return max(map(int, columns.values())) < len(first)
    if match(USER_ID, first) and match(ITEM_ID, first):
        return True
    return index_column(first, rest) is not None or is_in_usual_order(first)


def has_header(
    part: Part,
    records: guess.Records,
    columns: Mapping[str, str],
    declared: bool | None,
) -> bool:
    """Returns whether the first record of a text file is a header.

    Args:
        part: The file, for the error.
        records: The first records of the file.
        columns: Meaning → header or position of the columns that a person named.
        declared: What a person declared (``data.header``); None if nothing.

    Raises:
        BadInputError: If the first record can be a header or a row of ratings.
    """
    if declared is not None:
        return declared
    first, rest = records[0], records[1:]
    if (
        index_column(first, rest) is not None
        or any(not column.isdecimal() for column in columns.values())
        or (match(USER_ID, first) and match(ITEM_ID, first))
        or any(int(column) in match(name, first) for name, column in columns.items())
    ):
        return True
    if len(first) > 1 and counts_up(first):
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


def counts_up(names: Sequence[str]) -> bool:
    """Returns whether a header is 0, 1, 2, ..., as pandas names unnamed columns."""
    return list(names) == [str(number) for number in range(len(names))]


def index_column(names: Sequence[str], rows: guess.Records) -> int | None:
    """Returns the unnamed column of row numbers that pandas writes; None if absent."""
    if not names or names[0] not in PANDAS_INDEX:
        return None
    numbers = [row[0] for row in rows if row]
    is_index = all(number.isdecimal() for number in numbers)
    return 0 if is_index and len(set(numbers)) == len(numbers) else None


def is_in_usual_order(first: Sequence[str]) -> bool:
    """Returns whether the first row looks like data in the usual order.

    Numbers must be where numbers are expected. If there are only two ids, one must have
    a digit, or a header would pass for a rating.
    """
    if not 2 <= len(first) <= 4:
        return False
    if len(first) == 2 and not re.search(r"\d", "".join(first)):
        return False
    return all(guess.is_number(text, comma=True) for text in first[2:3]) and all(
        guess.is_time(text) or re.match(r"\d", text.strip()) for text in first[3:]
    )


def check_usual_order(
    part: Part, rows: guess.Records, places: Mapping[str, int]
) -> None:
    """Refuses the usual order if times are in the place of ratings or users.

    Args:
        part: The file, for the error.
        rows: Some rows of the file.
        places: Meaning → 0-based column.

    Raises:
        BadInputError: If a column of ratings or users looks like times.
    """

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
            "Name the columns by their positions: --column user_id=NUMBER --column "
            f"item_id=NUMBER --column timestamp={place}, and rating if there is one.",
        )
