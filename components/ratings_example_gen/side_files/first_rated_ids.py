"""Looks up the first rated items and users in their files, before a run starts.

The complete comparison comes at the end of a run, which is late to find out that a
column holds other ids. This one is limited to the first rows of the first file of
ratings, about a megabyte of text, and the ids in the files of items and users.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.part_bytes import open_parquet, open_part, seekable
from components.ratings_example_gen.parts import PARQUET, Part
from components.ratings_example_gen.read.blocks import read_rows
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.read.rows import Block
from components.ratings_example_gen.read.side_texts import to_text
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.side_files.columns import SideTable
from components.ratings_example_gen.side_files.summary import MAX_NAMED

# Largest file of items or users, as it is stored.
_MAX_FILE_BYTES = 16 << 20
# Largest Parquet row group, which is read as a whole.
_MAX_GROUP_ROWS = 1 << 20


@dataclass(frozen=True)
class FirstMatch:
    """How many of the first rated items, or users, a file describes.

    Attributes:
        rows: Number of ratings that were looked at.
        rated: Number of distinct items, or users, in them.
        matched: Number of those that are in the file.
        first_missing: The first of the others.
    """

    rows: int
    rated: int
    matched: int
    first_missing: list[str]


def match_first_rows(layout: Layout, tables: list[SideTable]) -> dict[str, FirstMatch]:
    """Returns the matches of each kind (``items``, ``users``).

    A kind is left out if its file is larger than 16 MB, or something is wrong with it
    or with the ratings: the steps that read them in full report that.
    """
    tables = [table for table in tables if table.part.size <= _MAX_FILE_BYTES]
    if not tables:
        return {}
    found: dict[str, FirstMatch] = {}
    try:
        rows = _first_rows(layout.ratings[0])
        if rows is not None:
            for table in tables:
                found[table.kind.name] = _match(rows, table)
    except BadInputError:
        return found
    return found


def _match(rows: pa.Table, table: SideTable) -> FirstMatch:
    rated = set(rows[table.kind.id_column].to_pylist())
    missing = set(rated)
    for ids in _ids(table):
        missing.difference_update(ids)
    matched = len(rated) - len(missing)
    return FirstMatch(rows.num_rows, len(rated), matched, sorted(missing)[:MAX_NAMED])


def _first_rows(part: Part) -> pa.Table | None:
    block = Block(0, 0)
    if part.format == PARQUET:
        with open_part(part) as stream:
            metadata = open_parquet(part, seekable(stream)).metadata
        groups = range(metadata.num_row_groups)
        if not groups or metadata.row_group(0).num_rows > _MAX_GROUP_ROWS:
            return None
        block = Block(0, 0, 0, 1)
    ratings = next(RatingsReader().read(part, block), None)
    return ratings.table if ratings and ratings.table.num_rows else None


def _ids(table: SideTable) -> Iterator[list[str]]:
    part = replace(table.part, columns=table.part.columns[:1])
    for rows in read_rows(part, Block(0, 0)):
        [ids] = to_text(part, rows).values()
        yield ids.to_pylist()
