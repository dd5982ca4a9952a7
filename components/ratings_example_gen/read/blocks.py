"""Blocks: what one worker reads of one part."""

from collections.abc import Iterator, Sequence

import pyarrow.parquet as pq
import pyarrow_hotfix  # noqa: F401 - or a type in a file would be unpickled

from components.ratings_example_gen.read import json_lines, parquet, text
from components.ratings_example_gen.read.rows import Block, Rows
from components.ratings_example_gen.recognise.parts import (
    JSON_LINES,
    PARQUET,
    Part,
    open_part,
    seekable,
)

BLOCK_BYTES = 16 << 20


def plan_blocks(parts: Sequence[Part], block_bytes: int = BLOCK_BYTES) -> list[Block]:
    """Cuts parts into blocks, in reading order.

    Plain text is cut about every ``block_bytes``, where a record begins; Parquet at its
    row groups. What is compressed or recoded can only be read from its beginning and
    stays whole.
    """
    blocks: list[Block] = []
    for index, part in enumerate(parts):
        cuts = [(0, 0)]
        if part.format == PARQUET:
            with open_part(part) as f:
                groups = pq.ParquetFile(seekable(f)).num_row_groups
            cuts = (
                [(i, i + 1) for i in range(groups)] if part.seekable else [(0, groups)]
            )
        elif part.seekable:
            cuts = text.cut(part, block_bytes)
        for begin, end in cuts:
            blocks.append(Block(index, len(blocks), begin, end))
    return blocks


def read_rows(part: Part, block: Block) -> Iterator[Rows]:
    """Yields the block's rows, some megabytes at a time.

    Raises:
        BadInputError: When the archive is cut short or a line never ends.
    """
    with open_part(part) as f:
        if part.format == PARQUET:
            yield from parquet.read(part, block, f)
        elif part.format == JSON_LINES:
            yield from json_lines.read(part, block, f)
        else:
            yield from text.read(part, block, f)
