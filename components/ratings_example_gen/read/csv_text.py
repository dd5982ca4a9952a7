"""Parses rows of delimited text.

Arrow parses all good records at once. Only when that fails are records looked at one by
one, to report which are bad and why (``bad_records``).
"""

import re
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from components.ratings_example_gen.dialect import WHITESPACE, Dialect
from components.ratings_example_gen.part_bytes import BYTE_ORDER_MARK
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.bad_records import (
    STAND_IN,
    Piece,
    check_records,
)
from components.ratings_example_gen.read.records import (
    MAX_RECORD_BYTES,
    Positions,
    Records,
)
from components.ratings_example_gen.read.rows import Block, Rows
from components.ratings_example_gen.read.text_pieces import pieces_of

# Arrow's parser takes a third of a millisecond to start; below this size, lines are
# split instead.
_SMALL_BYTES = 4096

# On each call, `read_csv` searches all Python objects for a reference cycle that its
# own signal handling may have made (pyarrow 10, SignalStopHandler), so that many small
# files would take quadratic time. A megabyte needs no signal handling, and then no
# search.
pa.enable_signal_handlers(False)
pa.lib.have_signal_refcycle = False


def read(part: Part, block: Block, stream: IO[bytes]) -> Iterator[Rows]:
    """Yields the rows of all records that begin within the block.

    Raises:
        BadInputError: If a line or a quoted field is too long.
    """
    begin = 0
    preamble = 0 if block.begin else len(part.preamble)
    before_header = not block.begin and bool(part.dialect.header)
    for data in pieces_of(part, block, stream):
        while data and begin < preamble:
            data = data[data.find(b"\n") + 1 or len(data) :]
            begin += 1
        if before_header:
            end = _header_end(part, data)
            before_header = end is None
            skipped = data[:end]
            begin += _count_lines(skipped)
            data = data[len(skipped) :]
        if data:
            rows = _parse(part, data, begin)
            begin += rows.num_lines
            yield rows


def _header_end(part: Part, data: bytes) -> int | None:
    """Returns where the first non-blank record ends; None if all records are blank."""
    blank = len(data) - len(data.lstrip(b"\r\n"))
    if blank == len(data):
        return None
    quote = (part.dialect.quote or "").encode()
    end = data.find(b"\n", blank) + 1 or len(data)
    if not quote or data.count(quote, blank, end) % 2 == 0:
        return end
    records = Records(part, data[: blank + MAX_RECORD_BYTES])
    return int(records.ends[np.flatnonzero(~records.blank)[0]])


def _count_lines(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


def _parse(part: Part, data: bytes, begin: int) -> Rows:
    """Parses whole records; those that cannot be rows are left out and reported."""
    dialect = part.dialect
    num_lines = _count_lines(data)
    piece = _with_short_separator(data, dialect)
    ambiguous = data.count(b"\r") != data.count(b"\r\n")
    ambiguous |= any(
        mark.encode() in data for mark in (dialect.quote, dialect.escape) if mark
    )
    ambiguous |= piece.separator == STAND_IN and STAND_IN in data
    if not ambiguous:
        try:
            columns = _read_csv(part, piece.body, piece.separator)
        except pa.ArrowInvalid:
            pass  # Some row has too many or too few fields: find out which.
        else:
            return Rows(columns, _locator(part, data, None), [], begin, num_lines)
    for exact in (False, True):
        kept, bad, records = check_records(part, piece, exact=exact)
        good = _join(records.as_array().take(pa.array(kept)))
        good = _without_escaped_nulls(good, dialect)
        try:
            columns = _read_csv(part, good, piece.separator, spans_lines=records.joined)
        except pa.ArrowInvalid:
            if exact:
                raise
        else:
            break
    return Rows(columns, _locator(part, data, kept), bad, begin, num_lines)


def _with_short_separator(data: bytes, dialect: Dialect) -> Piece:
    """Returns the text with a separator of a single byte, as Arrow needs it."""
    separator = (dialect.delimiter or ",").encode()
    if dialect.delimiter == WHITESPACE:
        trimmed = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", data)
        return Piece(data, re.sub(rb"[ \t]+", STAND_IN, trimmed), STAND_IN)
    if len(separator) == 1:
        return Piece(data, data, separator)
    return Piece(data, data.replace(separator, STAND_IN), STAND_IN)


def _without_escaped_nulls(data: bytes, dialect: Dialect) -> bytes:
    r"""Empties fields of ``\N``: where ``\`` escapes, Arrow would read an N."""
    if dialect.escape != "\\" or b"\\N" not in data:
        return data
    mark = re.escape((dialect.delimiter or ",").encode())
    quote = re.escape((dialect.quote or "").encode())
    pattern = rb"(?m)(^|%b)(%b)\\N\2(?=%b|\r?$)" % (mark, quote + b"?", mark)
    return re.sub(pattern, rb"\1", data)


def _read_csv(
    part: Part, data: bytes, separator: bytes, spans_lines: bool = False
) -> dict[str, pa.Array]:
    """Returns the columns of the part, as binary values.

    Raises:
        ArrowInvalid: If a row has too many or too few fields.
    """
    names = [str(i) for i in range(part.num_fields)]
    wanted = [names[i] for _, i in part.columns]
    if not data.strip(b"\r\n"):
        return {name: pa.array([], pa.binary()) for name, _ in part.columns}
    special = (part.dialect.quote, part.dialect.escape)
    if len(data) <= _SMALL_BYTES and not any(
        mark.encode() in data for mark in special if mark
    ):
        return _split(part, data, separator)
    if data.startswith(BYTE_ORDER_MARK):
        data = b"\n" + data  # Here it belongs to an id, and Arrow would drop it.
    # Not `open_csv`: it leaves threads running even with `use_threads=False`, and now
    # and then the process crashes on exit because of them.
    table = pa_csv.read_csv(
        pa.py_buffer(data),
        read_options=pa_csv.ReadOptions(
            use_threads=False, column_names=names, block_size=len(data) + 1
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=separator.decode("latin-1"),
            quote_char=part.dialect.quote or False,
            escape_char=part.dialect.escape or False,
            newlines_in_values=spans_lines,
        ),
        convert_options=pa_csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(names, pa.binary()),
            include_columns=wanted,
            null_values=[],
        ),
    )
    return {
        name: table[str(i)].combine_chunks()
        if table.num_rows
        else pa.array([], pa.binary())
        for name, i in part.columns
    }


def _split(part: Part, data: bytes, separator: bytes) -> dict[str, pa.Array]:
    """Parses a few rows without quotes, in a tenth of the time that Arrow takes.

    Raises:
        ArrowInvalid: If a row has too many or too few fields.
    """
    lines = (line.removesuffix(b"\r") for line in data.split(b"\n"))
    rows = [line.split(separator) for line in lines if line]
    if any(len(row) != part.num_fields for row in rows):
        raise pa.ArrowInvalid("a row has a different number of fields")
    return {
        name: pa.array([row[index] for row in rows], pa.binary())
        for name, index in part.columns
    }


def _join(values: pa.Array) -> bytes:
    """Returns the concatenated values of a freshly built binary array."""
    return values.buffers()[2].to_pybytes() if len(values) else b""


def _locator(
    part: Part, data: bytes, kept: Positions | None
) -> Callable[[Positions], list[tuple[int, str]]]:
    """Returns a function from row numbers to (1-based line, text) of each row."""

    def locate(rows: Positions) -> list[tuple[int, str]]:
        records = Records(part, data)
        record_of = np.flatnonzero(~records.blank) if kept is None else kept
        return [
            (int(records.line[record]) + 1, records.text(record))
            for record in record_of[rows]
        ]

    return locate
