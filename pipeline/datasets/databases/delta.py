"""Reads a Delta table with delta-rs, whose SQL skips files by their statistics."""

import re
from collections.abc import Iterator

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from pipeline.datasets.databases.address import delta_table
from pipeline.datasets.errors import DatasetError

ERRORS = (DeltaError, OSError, duckdb.Error, pa.ArrowException)
_BATCH_ROWS = 1 << 16
# Files of a table are read one after the other: otherwise, rows arrive in another order
# each time. Names of columns are distinguished by case, as elsewhere.
_SESSION = {
    "datafusion.execution.target_partitions": "1",
    "datafusion.execution.time_zone": "UTC",
    "datafusion.sql_parser.enable_ident_normalization": "false",
}
# A server of S3 that is given as http:// is one within a private network.
_STORAGE = {"allow_http": "true"}
_VERSION = re.compile(r"(?P<folder>.*)\?version=(?P<version>\d+)", re.S)


def at_version(place: str) -> tuple[str, int]:
    """Returns the place of one version of a table, the newest if none is named."""
    folder, version = _split(place)
    found = DeltaTable(folder, version, _STORAGE, without_files=True).version()
    return f"{folder}?version={found}", found


def batches(place: str, query: str) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query, all of one version."""
    folder, version = _split(place)
    table = DeltaTable(folder, version, _STORAGE)
    session = QueryBuilder(_SESSION).register(delta_table(place), table)
    # DuckDB turns types that are newer than this pyarrow into those that it has.
    yield from duckdb.from_arrow(session.execute(query)).to_arrow_reader(_BATCH_ROWS)


def _split(place: str) -> tuple[str, int | None]:
    match = _VERSION.fullmatch(place)
    if match:
        return match["folder"], int(match["version"])
    if "?" in place:
        raise DatasetError(
            f"delta://{place}: the only option is a version, as in ?version=7."
        )
    return place, None
