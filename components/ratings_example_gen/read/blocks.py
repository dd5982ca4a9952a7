"""Divides parts into blocks, one for each worker, and reads them."""

import sys
from collections.abc import Iterator, Sequence

import pyarrow.parquet as pq

from components.ratings_example_gen.part_bytes import open_parquet, open_part, seekable
from components.ratings_example_gen.parts import JSON_LINES, PARQUET, Part
from components.ratings_example_gen.read import (
    csv_text,
    json_lines,
    parquet,
    text_pieces,
)
from components.ratings_example_gen.read.rows import Block, Rows

BLOCK_BYTES = 16 << 20


def plan_blocks(parts: Sequence[Part], block_bytes: int = BLOCK_BYTES) -> list[Block]:
    """Divides parts into blocks, in reading order.

    Plain text is cut about every ``block_bytes``, at the start of a record; Parquet is
    cut after row groups that add up to this size. Compressed or recoded files can only
    be read from the beginning, so each is one block.

    Args:
        parts: The parts, in reading order.
        block_bytes: Size of a block, in bytes.

    Raises:
        BadInputError: If a file is damaged, or has a line that is too long.
    """
    blocks: list[Block] = []
    for index, part in enumerate(parts):
        cuts = [(0, 0)]
        if part.format == PARQUET:
            with open_part(part) as stream:
                metadata = open_parquet(part, seekable(stream)).metadata
            cuts = _cut_groups(metadata, block_bytes if part.seekable else sys.maxsize)
        elif part.seekable:
            cuts = text_pieces.cut(part, block_bytes)
        for begin, end in cuts:
            blocks.append(Block(index, len(blocks), begin, end))
    return blocks


def _cut_groups(metadata: pq.FileMetaData, block_bytes: int) -> list[tuple[int, int]]:
    """Returns ranges of row groups; few, since each parses the whole footer again."""
    cuts, begin, size = [], 0, 0
    for group in range(metadata.num_row_groups):
        size += metadata.row_group(group).total_byte_size
        if size >= block_bytes:
            cuts.append((begin, group + 1))
            begin, size = group + 1, 0
    if begin < metadata.num_row_groups or not cuts:
        cuts.append((begin, metadata.num_row_groups))
    return cuts


def read_rows(part: Part, block: Block) -> Iterator[Rows]:
    """Yields the block's rows, a few megabytes at a time.

    Raises:
        BadInputError: If the archive is cut short or a line is too long.
    """
    with open_part(part) as stream:
        if part.format == PARQUET:
            yield from parquet.read(part, block, stream)
        elif part.format == JSON_LINES:
            yield from json_lines.read(part, block, stream)
        else:
            yield from csv_text.read(part, block, stream)
