"""Finds the records of delimited text that cannot be rows, and why."""

import re
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import WHITESPACE, split_records
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.records import (
    Positions,
    Records,
    closed,
    not_separating,
)
from components.ratings_example_gen.read.rows import BadRow
from components.ratings_example_gen.recognise.guess import shown_delimiter
from components.wording import counted

# Replaces a separator of several bytes while a piece is parsed. A line that contains it
# is rejected.
STAND_IN = b"\x01"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Piece:
    """Some whole records, as they are written and as Arrow can parse them.

    Attributes:
        data: The text as it is written, to be shown in errors.
        body: The same text with a separator of a single byte.
        separator: That byte.
    """

    data: bytes
    body: bytes
    separator: bytes


def check_records(
    part: Part, piece: Piece, *, exact: bool
) -> tuple[Positions, list[BadRow], Records]:
    """Returns which records are rows, why the others are not, and all records.

    Args:
        part: How the records are written.
        piece: The text to check.
        exact: Whether to count the fields of records with quotes. Otherwise they are
            assumed to be right, because Arrow finds the wrong ones faster.

    Returns:
        The numbers of the records that are rows; the bad rows; the records of
        ``piece.body``.
    """
    original = Records(part, piece.data)
    records = original if piece.body is piece.data else Records(part, piece.body)
    stray = r"\r[^\n]" + (r"|\x01" if piece.separator == STAND_IN else "")
    control = _matches(original.as_array(), stray)
    fields, unclosed = _fields_and_quotes(part, piece, records, control, exact=exact)
    rejected = ~records.blank & (control | unclosed | (fields != part.num_fields))
    bad: list[BadRow] = []
    for record in np.flatnonzero(rejected):
        if control[record]:
            kind = input_errors.CONTROL_CHARACTER
            reason = "a control character (a carriage return?) inside the line"
        elif unclosed[record]:
            kind = input_errors.UNCLOSED_QUOTE
            reason = (
                "a quote that is not closed before the field or line ends "
                "(data.quote, data.escape)"
            )
        else:
            kind = input_errors.WRONG_NUMBER_OF_FIELDS
            found = len(split_records(original.whole(record), part.dialect)[0])
            reason = _wrong_number(found, part)
        line = int(original.line[record]) + 1
        bad.append((line, kind, reason, original.text(record)))
    return np.flatnonzero(~records.blank & ~rejected), bad, records


def _fields_and_quotes(
    part: Part, piece: Piece, records: Records, control: Mask, *, exact: bool
) -> tuple[npt.NDArray[np.int64], Mask]:
    """Returns each record's number of fields, and whether it has an unclosed quote."""
    dialect, mark = part.dialect, piece.separator.decode("latin-1")
    text = records.as_array()
    fields = pc.count_substring(text, mark).to_numpy() + 1
    unclosed = np.zeros(len(text), np.bool_)
    special = [re.escape(char) for char in (dialect.quote, dialect.escape) if char]
    if not special:
        return fields, unclosed
    quoted = np.flatnonzero(_matches(text, "|".join(special)) & ~control)
    with_quotes = text.take(pa.array(quoted))
    unclosed[quoted] = ~_matches(with_quotes, closed(dialect, mark))
    fields[quoted] = part.num_fields
    if exact:
        pattern = not_separating(dialect, mark)
        outside = pc.replace_substring_regex(
            with_quotes, pattern=pattern, replacement=r"\1"
        )
        fields[quoted] = pc.count_substring(outside, mark).to_numpy() + 1
    return fields, unclosed


def _wrong_number(found: int, part: Part) -> str:
    """Returns why a record with too many or too few fields is not a row."""
    reason = f"{counted(found, 'field')} where {part.num_fields} are expected"
    mark = part.dialect.delimiter or ","
    if found < part.num_fields or mark == WHITESPACE:
        return reason
    shown = shown_delimiter(mark)
    if part.dialect.quote:
        return f"{reason} (a value that contains a {shown} needs quotes)"
    return f"{reason} (does a value contain the separator, {shown}?)"


def _matches(values: pa.Array, pattern: str) -> Mask:
    return cast(Mask, pc.match_substring_regex(values, pattern).to_numpy(False))
