"""Reads rows of Parquet, a row group at a time."""

from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow_hotfix  # noqa: F401 - or a type in a file would be unpickled

from components.ratings_example_gen import problems
from components.ratings_example_gen.problems import MAX_TEXT, fatal
from components.ratings_example_gen.read.rows import Block, Rows
from components.ratings_example_gen.recognise.parts import Part, damaged, seekable

# What Arrow wrote at most without being asked for more.
MAX_GROUP_ROWS = 64 << 20


def read(part: Part, block: Block, f: IO[bytes]) -> Iterator[Rows]:
    """Yields the rows of the block's row groups."""
    try:
        file = pq.ParquetFile(seekable(f))
        names = {name: file.schema_arrow.names[i] for name, i in part.columns}
        begin = 0
        for group in range(block.begin, block.end or file.num_row_groups):
            if file.metadata.row_group(group).num_rows > MAX_GROUP_ROWS:
                raise fatal(
                    part.name,
                    problems.UNREADABLE_FILE,
                    f"a row group of more than {MAX_GROUP_ROWS:,} rows",
                    "Write it in smaller row groups: each is in memory as a whole.",
                )
            # Not in batches: this Arrow's reader of batches dies of a damaged file.
            table = file.read_row_group(group, columns=list(names.values()))
            columns = {
                name: _plain(table[old].combine_chunks()) for name, old in names.items()
            }
            yield Rows(columns, _row_locator(table), [], begin, table.num_rows)
            begin += table.num_rows
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise damaged(part.name, error) from error


def _plain(values: pa.Array) -> pa.Array:
    """Returns text of any of Arrow's types as binary: Parquet checks no UTF-8."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_large_list(values.type):
        values = values.cast(pa.list_(values.type.value_type))
    is_text = (
        pa.types.is_string(values.type)
        or pa.types.is_large_string(values.type)
        or pa.types.is_large_binary(values.type)
        or pa.types.is_fixed_size_binary(values.type)
    )
    return values.cast(pa.binary()) if is_text else values


def _row_locator(
    table: pa.Table,
) -> Callable[[npt.NDArray[np.int64]], list[tuple[int, str]]]:
    def locate(rows: npt.NDArray[np.int64]) -> list[tuple[int, str]]:
        taken = table.take(pa.array(rows))
        texts = zip(*(map(_shown, column) for column in taken.columns), strict=True)
        return [
            (int(row) + 1, ", ".join(text)[:MAX_TEXT])
            for row, text in zip(rows, texts, strict=True)
        ]

    return locate


def _shown(value: pa.Scalar) -> str:
    try:
        return str(value.as_py())
    except (OverflowError, ValueError):  # a time after 9999; text that is not UTF-8
        return "(unreadable)"
