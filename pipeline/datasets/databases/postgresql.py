"""Reads a query of PostgreSQL with Apache Arrow's driver, which uses binary COPY."""

import os
from collections.abc import Iterator
from urllib.parse import quote

import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_postgresql import StatementOptions, dbapi

from pipeline.datasets.databases.address import PASSWORD, USER

ERRORS = (Error, pa.ArrowException, OSError)
TABLES = (
    "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE "
    "table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
)
_BATCH_BYTES = 4 << 20
# libpq waits without end for a server that does not answer. In seconds; a lost
# connection is noticed after two minutes.
_LIMITS = {"connect_timeout": 10, "keepalives_idle": 60, "keepalives_interval": 20}


def batches(place: str, query: str) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query, all as they were at one moment."""
    with dbapi.connect(_uri(place)) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")  # of times in the query
        # Otherwise, a table may be read from its middle, in another order.
        cursor.execute("SET LOCAL synchronize_seqscans = off")
        cursor.execute(f"SELECT * FROM ({query}) AS rows LIMIT 0")
        query = _readable(query, cursor.fetch_record_batch().schema)
        hint = StatementOptions.BATCH_SIZE_HINT_BYTES.value
        cursor.adbc_statement.set_options(**{hint: str(_BATCH_BYTES)})
        cursor.execute(query)
        yield from cursor.fetch_record_batch()


def _uri(place: str) -> str:
    """Returns libpq's URI: without an account, libpq looks for one in its own files."""
    server, _, options = place.partition("?")
    given = {option.partition("=")[0] for option in options.split("&")}
    more = [f"{key}={value}" for key, value in _LIMITS.items() if key not in given]
    account = ""
    if user := os.environ.get(USER):
        password = os.environ.get(PASSWORD, "")
        account = f"{quote(user, safe='')}:{quote(password, safe='')}@"
    query = "&".join([*filter(None, [options]), *more])
    return f"postgresql://{account}{server}?{query}"


def _readable(query: str, schema: pa.Schema) -> str:
    """Returns a query whose columns are numbers, times, text and lists of them.

    Other types (uuid, inet …) would arrive as the server's bytes, and are read as text.
    """
    others = {field.name for field in schema if _is_opaque(field.type)}
    if not others:
        return query
    columns = ", ".join(
        f"{_quoted(name)}::text AS {_quoted(name)}" if name in others else _quoted(name)
        for name in schema.names
    )
    return f"SELECT {columns} FROM ({query}) AS rows"


def _is_opaque(kind: pa.DataType) -> bool:
    return (
        pa.types.is_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_interval(kind)
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
