"""Reads files of lists. A damaged one is left out and described, and stops nothing."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.list_log.shown import SCHEMA


def tables(
    paths: Iterable[Path],
    columns: Sequence[str],
    damaged: list[str],
    optional: Sequence[str] = (),
) -> Iterator[tuple[Path, pa.Table]]:
    """Yields each file with its lists; none that was removed meanwhile, as it was old.

    Args:
        paths: The files.
        columns: Columns that each file must have, without missing values.
        damaged: Gets a line for each file that cannot be read, all of it.
        optional: Columns that files of earlier releases do not have.
    """
    for path in paths:
        try:
            table = _table(path, columns, optional)
        except FileNotFoundError:
            continue
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            problem = str(error).splitlines()[0] if str(error) else repr(error)
            line = f"{path} cannot be read: {problem}"
            if line not in damaged:  # a file may be read again
                damaged.append(line)
        else:
            yield path, table


def _table(path: Path, columns: Sequence[str], optional: Sequence[str]) -> pa.Table:
    with pq.ParquetFile(path) as file:
        table = file.read(columns=[*columns, *optional])
    table.validate(full=True)
    for name in columns:
        if name not in table.column_names:
            raise pa.ArrowInvalid(f"the column {name} is missing")
        if table[name].null_count:
            raise pa.ArrowInvalid(f"the column {name} has missing values")
    return table.cast(pa.schema(map(SCHEMA.field, table.column_names)))
