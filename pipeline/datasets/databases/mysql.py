"""Reads a query of MySQL or MariaDB with ConnectorX.

PyMySQL comes first: with a wrong password, ConnectorX tries for half a minute.
"""

import os
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import connectorx
import pyarrow as pa
import pymysql
from pymysql.constants import FIELD_TYPE

from pipeline.datasets.databases.address import PASSWORD, USER

TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
    "ORDER BY 1"
)
_BATCH_ROWS = 1 << 16
_CONNECT_SECONDS = 10


class _LostError(Exception):
    """ConnectorX stopped, which it reports as a panic of Rust."""


ERRORS = (pymysql.Error, RuntimeError, _LostError)


def batches(place: str, query: str) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query, all as they were at one moment."""
    user, password = os.environ.get(USER, ""), os.environ.get(PASSWORD, "")
    query, times = _with_instants(_columns(place, user, password, query), query)
    account = f"{quote(user, safe='')}:{quote(password, safe='')}"
    reader = connectorx.read_sql(
        f"mysql://{account}@{place}",
        query,
        return_type="arrow_stream",
        batch_size=_BATCH_ROWS,
    )
    try:
        for batch in reader:
            yield _with_time_zones(batch, times)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise _LostError(str(error)) from error


def _columns(place: str, user: str, password: str, query: str) -> list[tuple[str, int]]:
    """Returns the name and the type of each column."""
    server = urlsplit(f"//{place}")
    with (
        pymysql.connect(
            host=server.hostname or "",
            port=server.port or 3306,
            user=user,
            password=password,
            database=server.path.strip("/"),
            connect_timeout=_CONNECT_SECONDS,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT * FROM ({query}) AS q LIMIT 0")
        return [(name, kind) for name, kind, *_ in cursor.description]


def _with_instants(columns: list[tuple[str, int]], query: str) -> tuple[str, list[str]]:
    """Returns the query with columns of TIMESTAMP as microseconds, and their names.

    The server would write them in the time zone of the session.
    """
    times = [name for name, kind in columns if kind == FIELD_TYPE.TIMESTAMP]
    if not times:
        return query, []
    selected = ", ".join(
        f"CAST(UNIX_TIMESTAMP({_quoted(name)}) * 1000000 AS SIGNED) AS {_quoted(name)}"
        if name in times
        else _quoted(name)
        for name, _ in columns
    )
    return f"SELECT {selected} FROM ({query}) AS q", times


def _with_time_zones(batch: pa.RecordBatch, times: list[str]) -> pa.RecordBatch:
    instant = pa.timestamp("us", tz="UTC")
    columns = [
        column.cast(pa.int64()).cast(instant) if name in times else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
