"""Reads rows of Parquet, a row group at a time."""

from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.damaged_files import damaged
from components.ratings_example_gen.input_errors import MAX_TEXT, fatal
from components.ratings_example_gen.part_bytes import open_parquet, seekable
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.rows import Block, Rows

# Arrow writes at most this many rows by default.
MAX_GROUP_ROWS = 64 << 20
# Largest decoded text of one column.
MAX_GROUP_BYTES = 1 << 30


def read(part: Part, block: Block, stream: IO[bytes]) -> Iterator[Rows]:
    """Yields the rows of the block's row groups.

    Raises:
        BadInputError: If the file is damaged, or a row group is too large.
    """
    try:
        source = seekable(stream)
        file = open_parquet(part, source)
        schema = file.schema_arrow
        names = {name: schema.names[i] for name, i in part.columns}
        # Text stays encoded until its length is known: a page of a kilobyte can repeat
        # a megabyte a million times.
        texts = [n for n in names.values() if _is_text(schema.field(n).type)]
        file = open_parquet(part, source, metadata=file.metadata, read_dictionary=texts)
        begin = 0
        for group in range(block.begin, block.end or file.num_row_groups):
            if file.metadata.row_group(group).num_rows > MAX_GROUP_ROWS:
                raise fatal(
                    part.name,
                    input_errors.UNREADABLE_FILE,
                    f"a row group of more than {MAX_GROUP_ROWS:,} rows",
                    "Write smaller row groups: each is held in memory as a whole.",
                )
            # Not in batches: the batch reader of this Arrow crashes on a damaged file.
            # Not in threads: one that frees a buffer of a Python file while the process
            # exits aborts it ("terminate called without an active exception").
            table = file.read_row_group(
                group, columns=list(names.values()), use_threads=False
            )
            _check_length(part, table)
            columns = {
                name: _plain(table[old].combine_chunks()) for name, old in names.items()
            }
            yield Rows(columns, _row_locator(table), [], begin, table.num_rows)
            begin += table.num_rows
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise damaged(part.name, error) from error


def _plain(values: pa.Array) -> pa.Array:
    """Returns text of any Arrow type as binary: Parquet does not check UTF-8."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_large_list(values.type):
        values = values.cast(pa.list_(values.type.value_type))
    if _is_text(values.type) or pa.types.is_fixed_size_binary(values.type):
        return values.cast(pa.binary())
    return values


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_large_binary(kind)
    )


def _check_length(part: Part, table: pa.Table) -> None:
    """Refuses a row group whose decoded text is too long.

    Raises:
        BadInputError: If a column is longer than ``MAX_GROUP_BYTES``.
    """
    for column in table.columns:
        if not pa.types.is_dictionary(column.type):
            continue
        size = 0
        for chunk in column.chunks:
            if _is_text(chunk.dictionary.type):
                lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
                size += pc.sum(lengths.take(chunk.indices)).as_py() or 0
        if size > MAX_GROUP_BYTES:
            raise fatal(
                part.name,
                input_errors.UNREADABLE_FILE,
                f"a row group with {size:,} bytes of text in a column",
                f"At most {MAX_GROUP_BYTES:,} bytes are read at once. Write smaller "
                "row groups.",
            )


def _row_locator(
    table: pa.Table,
) -> Callable[[npt.NDArray[np.int64]], list[tuple[int, str]]]:
    """Returns a function from row numbers to (1-based row, text) of each row."""

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
