"""Samples of Parquet: its columns, their types, and two values of each."""

import contextlib
from collections.abc import Collection
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow_hotfix  # noqa: F401 - or a type in the file would be unpickled

from components.ratings_example_gen.damaged_files import damaged
from components.ratings_example_gen.part_bytes import open_parquet, open_part, seekable
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.recognise.sample import Sample

# Largest row group that is read if a Parquet file has no statistics.
MAX_ROWS_READ, MAX_READ = 1 << 20, 64 << 20


def sample_parquet(part: Part) -> Sample:
    """Returns the columns of a Parquet file, with a least and a greatest value of each.

    Raises:
        BadInputError: If the file is damaged.
    """
    try:
        with open_part(part) as stream:
            source = seekable(stream)
            file = open_parquet(part, source)
            schema = file.schema_arrow
            bounds = _bounds(file.metadata)
            bounds |= _first_values(part, source, file, bounds)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise damaged(part.name, error) from error
    names = list(schema.names)
    types = dict(zip(names, schema.types, strict=True))
    least_and_greatest = [
        [_shown(bounds[name][row]) if name in bounds else "" for name in names]
        for row in range(2)
    ]
    return Sample(part, least_and_greatest, names, types, bounds)


def _bounds(metadata: pq.FileMetaData) -> dict[str, tuple[Any, Any]]:
    """Returns the first row group's least and greatest values, as its writer stated.

    They show how times are written without reading a row group, which may be large.
    """
    bounds: dict[str, tuple[Any, Any]] = {}
    if metadata.num_row_groups == 0:
        return bounds
    group = metadata.row_group(0)
    for index in range(group.num_columns):
        column = group.column(index)
        try:
            found = column.statistics
            if found is not None and found.has_min_max:
                bounds[column.path_in_schema] = (found.min, found.max)
        except (ValueError, NotImplementedError, OverflowError):
            continue  # a type without an order, or text that is not UTF-8
    return bounds


def _first_values(
    part: Part, source: IO[bytes], file: pq.ParquetFile, known: Collection[str]
) -> dict[str, tuple[Any, Any]]:
    """Returns two values of each column without statistics, where that is cheap."""
    metadata, schema = file.metadata, file.schema_arrow
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    small = [
        index
        for index, group in enumerate(groups)
        if 0 < group.num_rows <= MAX_ROWS_READ and group.total_byte_size <= MAX_READ
    ]
    names = [
        field.name
        for field in schema
        if field.name not in known and not is_nested(field.type)
    ]
    if not small or not names:
        return {}
    # Text stays encoded: a short page can repeat a long text a million times.
    file = open_parquet(part, source, metadata=metadata, read_dictionary=names)
    try:
        table = file.read_row_group(small[0], columns=names, use_threads=False)
    except pa.ArrowException:
        # Perhaps in a column that is not needed; the reader reports the others.
        return {}
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        with contextlib.suppress(ValueError, OverflowError):  # text that is not UTF-8
            if values := column.drop_null().slice(0, 2).to_pylist():
                found[name] = (values[0], values[-1])
    return found


def is_nested(kind: pa.DataType) -> bool:
    """Returns whether values have parts; this Arrow omits lists of a fixed size."""
    return pa.types.is_nested(kind) or pa.types.is_fixed_size_list(kind)


def _shown(value: Any) -> str:
    is_bytes = isinstance(value, bytes)
    return value.decode(errors="backslashreplace") if is_bytes else str(value)
