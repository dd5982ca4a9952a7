"""Reads many small files together, because a call of Arrow costs more than their rows.

The rows of consecutive small files with the same dialect are checked as one table. If
some row is bad, they are checked file by file, to locate it.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import pyarrow as pa

from components.ratings_example_gen.parts import TEXT, Part
from components.ratings_example_gen.read.blocks import read_rows
from components.ratings_example_gen.read.ratings import Ratings, RatingsReader
from components.ratings_example_gen.read.rows import Block, Rows

_SMALL_BYTES = 1 << 14
_MAX_FILES = 1000

Found = list[tuple[Block, Ratings]]
"""Blocks, each with its ratings."""


def read_together(
    reader: RatingsReader, parts: Sequence[Part], blocks: Sequence[Block]
) -> Iterator[tuple[pa.Table, Found]]:
    """Yields ratings, and the blocks that they come from.

    Raises:
        BadInputError: As in ``RatingsReader.read``.
    """

    def group_key(numbered: tuple[int, Block]) -> tuple[object, ...]:
        number, block = numbered
        part = parts[block.part]
        if part.format != TEXT or not part.seekable or part.size > _SMALL_BYTES:
            return (number,)  # a group of its own
        marks = part.dialect, part.unit_is_guessed, part.num_fields
        return number // _MAX_FILES, marks, part.columns, part.keys

    for _, group in groupby(enumerate(blocks), key=group_key):
        alike = [block for _, block in group]
        if len(alike) > 1:
            yield from _read_small(reader, parts, alike)
        else:
            for ratings in reader.read(parts[alike[0].part], alike[0]):
                yield ratings.table, [(alike[0], ratings)]


def _read_small(
    reader: RatingsReader, parts: Sequence[Part], blocks: Sequence[Block]
) -> Iterator[tuple[pa.Table, Found]]:
    pieces = [
        (block, rows)
        for block in blocks
        for rows in read_rows(parts[block.part], block)
    ]
    if not pieces:
        return
    together = _joined([rows for _, rows in pieces])
    checked = reader.check(parts[pieces[0][0].part], together)
    if together.bad or checked.bad:
        for block, rows in pieces:
            ratings = reader.check(parts[block.part], rows)
            yield ratings.table, [(block, ratings)]
        return
    found, begin = [], 0
    for block, rows in pieces:
        num_rows = len(next(iter(rows.columns.values())))
        table = checked.table.slice(begin, num_rows)
        found.append((block, Ratings(table, [], rows.begin + rows.num_lines)))
        begin += num_rows
    yield checked.table, found


def _joined(pieces: Sequence[Rows]) -> Rows:
    """Returns the rows of several files as one; bad rows cannot be located in it."""
    columns = {
        name: pa.concat_arrays([rows.columns[name] for rows in pieces])
        for name in pieces[0].columns
    }
    bad = [row for rows in pieces for row in rows.bad]
    return Rows(columns, lambda rows: [(0, "")] * len(rows), bad, 0, 0)
