"""Reads rows of delimited text.

Only records that turn out to be bad are looked at one by one, to report where they are
and why; ``records`` says what a record is.
"""

import re
import sys
from collections.abc import Callable, Iterator
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import WHITESPACE, Dialect, split_records
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.read.records import (
    MAX_RECORD_BYTES,
    Positions,
    Records,
    closed,
    is_record,
    not_separating,
    too_long,
    without_escapes,
)
from components.ratings_example_gen.read.rows import BadRow, Block, Rows
from components.ratings_example_gen.recognise.guess import shown_delimiter
from components.ratings_example_gen.recognise.parts import (
    BYTE_ORDER_MARK,
    DATA_SUFFIXES,
    MAX_LINE_BYTES,
    Part,
    open_part,
)
from components.wording import counted

# Of text at once: where every line is bad, a line of two bytes takes 300 of memory.
PIECE_BYTES = 1 << 20
# Arrow's parser takes a third of a millisecond to begin; below this, lines are split.
_SMALL_BYTES = 4096
# Stands for a separator of several bytes while a piece is parsed; a line that holds it
# is refused.
_SEPARATOR = b"\x01"

Mask = npt.NDArray[np.bool_]

# On each call `read_csv` searches all of Python's objects for a cycle that its own
# signal handling may have made (pyarrow 10, SignalStopHandler): many small files would
# take quadratic time. A megabyte needs no such handling, and then no search.
pa.enable_signal_handlers(False)
pa.lib.have_signal_refcycle = False


def cut(part: Part, block_bytes: int) -> list[tuple[int, int]]:
    """Cuts a part into ranges of bytes; a record belongs to where it begins.

    Without quotes any place will do, since the reader goes on to the next line. With
    them a worker could not know whether it begins inside a record, so the file is read
    once to cut it between records.
    """
    begins = list(range(0, part.size, block_bytes))
    if part.dialect.quote and len(begins) > 1:
        with open_part(part) as f:
            begins = [0, *_record_begins(part, f, block_bytes)]
    ends = [*begins[1:], part.size]
    return list(zip(begins, ends, strict=False))


def _record_begins(part: Part, f: IO[bytes], block_bytes: int) -> Iterator[int]:
    """Yields where the first record begins after each multiple of ``block_bytes``."""
    offset, target = 0, block_bytes
    for data in pieces(part, f):
        end = offset + len(data)
        begins = None
        while target < end:
            if begins is None:
                begins = _begins(part, data) + offset
            place = int(np.searchsorted(begins, target))
            if place == len(begins):
                break
            yield int(begins[place])
            target = (int(begins[place]) // block_bytes + 1) * block_bytes
        offset = end


def _begins(part: Part, data: bytes) -> Positions:
    return Records(part, data).begins


def read(part: Part, block: Block, f: IO[bytes]) -> Iterator[Rows]:
    """Yields the rows of all records that begin within the block.

    Raises:
        BadInputError: When a line never ends.
    """
    begin = 0
    preamble = 0 if block.begin else len(part.preamble)
    before_header = not block.begin and bool(part.dialect.header)
    for data in pieces_of(part, block, f):
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


def pieces_of(part: Part, block: Block, f: IO[bytes]) -> Iterator[bytes]:
    """Yields the records that begin within the block, some megabytes at a time."""
    remaining = block.end - block.begin if block.end else sys.maxsize
    if block.begin:
        # The line that the block's beginning cuts belongs to the block before.
        f.seek(block.begin - 1)
        remaining -= len(read_line(part, f)) - 1
    for number, data in enumerate(pieces(part, f, remaining)):
        at_start = not block.begin and not number
        yield data.removeprefix(BYTE_ORDER_MARK) if at_start else data


def pieces(part: Part, f: IO[bytes], remaining: int = sys.maxsize) -> Iterator[bytes]:
    """Yields whole records, some megabytes at a time.

    Args:
        part: How they are written.
        f: At the beginning of a record.
        remaining: Bytes to where no further record may begin.
    """
    carried = opener = b""
    while True:
        data = f.read(min(remaining, PIECE_BYTES)) if remaining > 0 else b""
        is_last = not data
        if data and not data.endswith(b"\n"):
            data += read_line(part, f)
        remaining -= len(data)
        if opener:
            opener = _still_open(part, opener, data)
        data = carried + data
        end = len(data)
        if not is_last:
            end, given_up = _last_boundary(part, data)
            opener = given_up or opener
        carried = data[end:]
        if end:
            yield data[:end]
        if is_last:
            return


def _last_boundary(part: Part, data: bytes) -> tuple[int, bytes]:
    """Returns where a record begins that the following lines may belong to.

    Where it has got too long to wait for its end, the line that opened it comes second.
    """
    quote = (part.dialect.quote or "").encode()
    if not quote or quote not in data:
        return len(data), b""
    pending = Records(part, data).pending
    if pending is None:
        return len(data), b""
    if len(data) - pending <= MAX_RECORD_BYTES:
        return pending, b""
    begin = data.index(b"\n", pending) + 1
    return len(data), _still_open(part, data[pending:begin], data[begin:])


def _still_open(part: Part, opener: bytes, data: bytes) -> bytes:
    """Returns the line that opened a quote unless the quote ends in some lines.

    Raises:
        BadInputError: When it ends there as the quote of a record does.
    """
    quote = (part.dialect.quote or "").encode()
    if quote not in data:
        return opener
    text = without_escapes(data, part.dialect).replace(quote * 2, b"__")
    place = text.find(quote)
    if place < 0:
        return opener
    begin, end = text.rfind(b"\n", 0, place) + 1, text.find(b"\n", place) + 1
    if is_record(part, opener + data[begin : end or None]):
        raise too_long(part)
    return b""


def read_line(part: Part, f: IO[bytes]) -> bytes:
    """Returns the rest of a line.

    Raises:
        BadInputError: When it is longer than text has lines.
    """
    line = f.readline(MAX_LINE_BYTES)
    if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
        raise fatal(
            part.name,
            input_errors.UNREADABLE_FILE,
            f"a line is longer than {MAX_LINE_BYTES} bytes",
            "Is it a text file? Known endings: " + ", ".join(DATA_SUFFIXES),
        )
    return line


def _header_end(part: Part, data: bytes) -> int | None:
    """Returns where the first record that is not blank ends; None if there is none."""
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
    """Parses whole records; those that cannot be rows are left out and named."""
    dialect = part.dialect
    num_lines = _count_lines(data)
    body, separator = _with_short_separator(data, dialect)
    ambiguous = data.count(b"\r") != data.count(b"\r\n")
    ambiguous |= any(
        mark.encode() in data for mark in (dialect.quote, dialect.escape) if mark
    )
    ambiguous |= separator == _SEPARATOR and _SEPARATOR in data
    if not ambiguous:
        try:
            columns = _read_csv(part, body, separator)
        except pa.ArrowInvalid:
            pass  # Some row has too many or too few fields: find out which.
        else:
            return Rows(columns, _locator(part, data, None), [], begin, num_lines)
    for exact in (False, True):
        kept, bad, records = _check_records(part, data, body, separator, exact=exact)
        good = _join(records.as_array().take(pa.array(kept)))
        good = _without_escaped_nulls(good, dialect)
        try:
            columns = _read_csv(part, good, separator, spans_lines=records.joined)
        except pa.ArrowInvalid:
            if exact:
                raise
        else:
            break
    return Rows(columns, _locator(part, data, kept), bad, begin, num_lines)


def _with_short_separator(data: bytes, dialect: Dialect) -> tuple[bytes, bytes]:
    """Returns text whose separator is a single byte, as Arrow needs it."""
    separator = (dialect.delimiter or ",").encode()
    if dialect.delimiter == WHITESPACE:
        data = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", data)
        return re.sub(rb"[ \t]+", _SEPARATOR, data), _SEPARATOR
    if len(separator) == 1:
        return data, separator
    return data.replace(separator, _SEPARATOR), _SEPARATOR


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
        data = b"\n" + data  # Belongs to an id here, and Arrow would drop it.
    # Not `open_csv`: it leaves threads running even with `use_threads=False`, and now
    # and then the process dies of them at its exit.
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
    """Reads a few rows without quotes, as ``_read_csv`` does, in a tenth of its time.

    Raises:
        ArrowInvalid: When a row has too many or too few fields.
    """
    lines = (line.removesuffix(b"\r") for line in data.split(b"\n"))
    rows = [line.split(separator) for line in lines if line]
    if any(len(row) != part.num_fields for row in rows):
        raise pa.ArrowInvalid("a row has another number of fields")
    return {
        name: pa.array([row[index] for row in rows], pa.binary())
        for name, index in part.columns
    }


def _check_records(
    part: Part, data: bytes, body: bytes, separator: bytes, *, exact: bool
) -> tuple[Positions, list[BadRow], Records]:
    """Returns the records that are rows, why the others are not, and all of them.

    The records are those of ``body``; ``data`` is what a person wrote. Unless ``exact``
    is set, records with quotes are believed to have the right number of fields, which
    Arrow finds out faster.
    """
    dialect, mark = part.dialect, separator.decode("latin-1")
    original = Records(part, data)
    records = original if body is data else Records(part, body)
    text = records.as_array()
    stray = r"\r[^\n]" + (r"|\x01" if separator == _SEPARATOR else "")
    control = _matches(original.as_array(), stray)
    fields = pc.count_substring(text, mark).to_numpy() + 1
    unclosed = np.zeros(len(text), np.bool_)
    special = [re.escape(each) for each in (dialect.quote, dialect.escape) if each]
    if special:
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
            found = len(split_records(original.whole(record), dialect)[0])
            reason = _wrong_number(found, part)
        line = int(original.line[record]) + 1
        bad.append((line, kind, reason, original.text(record)))
    return np.flatnonzero(~records.blank & ~rejected), bad, records


def _wrong_number(found: int, part: Part) -> str:
    """Returns why a record with too many or too few fields is not a row."""
    reason = f"{counted(found, 'field')} where {part.num_fields} are expected"
    mark = part.dialect.delimiter or ","
    if found < part.num_fields or mark == WHITESPACE:
        return reason
    shown = shown_delimiter(mark)
    if part.dialect.quote:
        return f"{reason} (a value that holds a {shown} needs quotes)"
    return f"{reason} (does a value hold the separator, {shown}?)"


def _matches(values: pa.Array, pattern: str) -> Mask:
    return cast(Mask, pc.match_substring_regex(values, pattern).to_numpy(False))


def _join(values: pa.Array) -> bytes:
    """Returns a fresh binary array's values one behind the other."""
    return values.buffers()[2].to_pybytes() if len(values) else b""


def _locator(
    part: Part, data: bytes, kept: Positions | None
) -> Callable[[Positions], list[tuple[int, str]]]:
    def locate(rows: Positions) -> list[tuple[int, str]]:
        records = Records(part, data)
        record_of = np.flatnonzero(~records.blank) if kept is None else kept
        return [
            (int(records.line[record]) + 1, records.text(record))
            for record in record_of[rows]
        ]

    return locate
