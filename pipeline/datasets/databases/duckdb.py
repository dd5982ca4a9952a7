"""Reads a query of a DuckDB file."""

from collections.abc import Iterator

import duckdb
import pyarrow as pa

ERRORS = (duckdb.Error, pa.ArrowException)
TABLES = "SELECT table_name FROM information_schema.tables ORDER BY 1"
_BATCH_ROWS = 1 << 16


def batches(place: str, query: str) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query, all as they were at one moment."""
    with duckdb.connect(place, read_only=True) as database:
        # A name such as 'ratings.csv' would otherwise be read as a file.
        database.execute("SET enable_external_access = false")
        for batch in database.sql(query).to_arrow_reader(_BATCH_ROWS):
            yield pa.RecordBatch.from_arrays(
                list(map(_plain, batch.columns)), batch.schema.names
            )


def _plain(values: pa.Array) -> pa.Array:
    """Returns an enum as text."""
    is_enum = pa.types.is_dictionary(values.type)
    return values.dictionary_decode() if is_enum else values
