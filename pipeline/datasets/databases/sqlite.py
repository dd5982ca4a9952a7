"""Reads a query of SQLite, where each value of a column may have a type of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pyarrow as pa

ERRORS = (sqlite3.Error, UnicodeDecodeError)
TABLES = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY 1"
_BATCH_ROWS = 1 << 16


def batches(place: str, query: str) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query, all as they were at one moment."""
    file = f"file:{quote(place)}?mode=ro"
    with closing(sqlite3.connect(file, uri=True, isolation_level=None)) as database:
        database.execute("BEGIN")  # until the end, later commits are not seen
        rows = database.execute(f"SELECT * FROM ({query}) LIMIT 0")
        names = [column[0] for column in rows.description]
        kinds = _kinds(database, query, names)
        columns = ", ".join(map(_column, names, kinds))
        rows = database.execute(f"SELECT {columns} FROM ({query})")
        while block := rows.fetchmany(_BATCH_ROWS):
            arrays = map(pa.array, zip(*block, strict=True), kinds)
            yield pa.RecordBatch.from_arrays(list(arrays), names)


def _kinds(
    database: sqlite3.Connection, query: str, names: list[str]
) -> list[pa.DataType]:
    """Returns the type of each column that all of its values fit."""
    types = ", ".join(f"typeof({_quoted(name)})" for name in names)
    found = list(database.execute(f"SELECT DISTINCT {types} FROM ({query})"))
    return [_kind({row[n] for row in found} - {"null"}) for n in range(len(names))]


def _kind(types: set[str]) -> pa.DataType:
    if types == {"integer"}:
        return pa.int64()
    return pa.float64() if types and types <= {"integer", "real"} else pa.string()


def _column(name: str, kind: pa.DataType) -> str:
    column = _quoted(name)
    if kind != pa.string():
        return column
    return (
        f"CASE typeof({column}) WHEN 'blob' THEN hex({column}) "
        f"ELSE CAST({column} AS TEXT) END"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
