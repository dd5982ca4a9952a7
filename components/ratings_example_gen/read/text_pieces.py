"""Cuts text into blocks for workers, and blocks into pieces of whole records.

``records`` defines what a record is. JSON lines are cut here too: they have no quotes,
so each line is a record.
"""

import sys
from collections.abc import Iterator
from typing import IO

import numpy as np

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.part_bytes import (
    BYTE_ORDER_MARK,
    MAX_LINE_BYTES,
    open_part,
)
from components.ratings_example_gen.parts import DATA_SUFFIXES, Part
from components.ratings_example_gen.read.records import (
    MAX_RECORD_BYTES,
    Positions,
    Records,
    is_record,
    too_long,
    without_escapes,
)
from components.ratings_example_gen.read.rows import Block

# Text handled at once: if every line is bad, a line of two bytes takes 300 of memory.
PIECE_BYTES = 1 << 20


def cut(part: Part, block_bytes: int) -> list[tuple[int, int]]:
    """Cuts a part into byte ranges; a record belongs to the range in which it begins.

    Without quotes, any offset will do, because the reader skips to the next line. With
    quotes, a worker could not know whether it starts inside a record, so the file is
    read once to cut it between records.

    Returns:
        [begin, end) of each range, in bytes.
    """
    begins = list(range(0, part.size, block_bytes))
    if part.dialect.quote and len(begins) > 1:
        with open_part(part) as stream:
            begins = [0, *_record_begins(part, stream, block_bytes)]
    ends = [*begins[1:], part.size]
    return list(zip(begins, ends, strict=False))


def _record_begins(part: Part, stream: IO[bytes], block_bytes: int) -> Iterator[int]:
    """Yields where the first record begins after each multiple of ``block_bytes``."""
    offset, target = 0, block_bytes
    for data in pieces(part, stream):
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


def pieces_of(part: Part, block: Block, stream: IO[bytes]) -> Iterator[bytes]:
    """Yields the records that begin within the block, a few megabytes at a time.

    Raises:
        BadInputError: If a line or a quoted field is too long.
    """
    remaining = block.end - block.begin if block.end else sys.maxsize
    if block.begin:
        # The line that contains the block's first byte belongs to the block before.
        stream.seek(block.begin - 1)
        remaining -= len(_read_line(part, stream)) - 1
    for number, data in enumerate(pieces(part, stream, remaining)):
        at_start = not block.begin and not number
        yield data.removeprefix(BYTE_ORDER_MARK) if at_start else data


def pieces(
    part: Part, stream: IO[bytes], remaining: int = sys.maxsize
) -> Iterator[bytes]:
    """Yields whole records, a few megabytes at a time.

    Args:
        part: How the records are written.
        stream: Positioned at the beginning of a record.
        remaining: Bytes up to the offset from which no further record may begin.
    """
    carried = opener = b""
    while True:
        data = stream.read(min(remaining, PIECE_BYTES)) if remaining > 0 else b""
        is_last = not data
        if data and not data.endswith(b"\n"):
            data += _read_line(part, stream)
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

    If that record has become too long to wait for its end, the line that opened it is
    returned as the second value.
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
    """Returns the line that opened a quote, or nothing if the quote ends in ``data``.

    Raises:
        BadInputError: If the quote ends there and encloses a valid record, which is
            then too long.
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


def _read_line(part: Part, stream: IO[bytes]) -> bytes:
    """Returns the rest of a line.

    Raises:
        BadInputError: If it is longer than any line of text.
    """
    line = stream.readline(MAX_LINE_BYTES)
    if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
        raise fatal(
            part.name,
            input_errors.UNREADABLE_FILE,
            f"a line is longer than {MAX_LINE_BYTES} bytes",
            "Is it a text file? Supported file endings: " + ", ".join(DATA_SUFFIXES),
        )
    return line
