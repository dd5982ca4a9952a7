"""Reads a query of MySQL or MariaDB with ConnectorX.

PyMySQL comes first: with a wrong password, ConnectorX tries for half a minute.
"""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

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
    columns = _columns(place, user, password, query)
    times = {name for name, kind in columns if kind == FIELD_TYPE.TIMESTAMP}
    account = f"{quote(user, safe='')}:{quote(password, safe='')}"
    # To a server on this machine, it would change to a socket, which has no TLS.
    options = f"{'&' if '?' in place else '?'}prefer_socket=false"
    reader = connectorx.read_sql(
        f"mysql://{account}@{place}{options}",
        query,
        # The server writes columns of TIMESTAMP in the time zone of the session.
        pre_execution_query="SET time_zone = '+00:00'",
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
            **_tls(server.query),
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT * FROM ({query}) AS q LIMIT 0")
        return [(name, kind) for name, kind, *_ in cursor.description]


def _tls(options: str) -> dict[str, Any]:
    """Returns PyMySQL's arguments for ConnectorX's options ssl-mode and ssl-ca."""
    given = dict(parse_qsl(options))
    mode = given.get("ssl-mode", "DISABLED").upper()
    if mode == "DISABLED":
        return {"ssl_disabled": True}
    if mode == "REQUIRED":
        return {"ssl": {"verify_mode": "none", "check_hostname": False}}
    return {
        "ssl_ca": given.get("ssl-ca"),
        "ssl_verify_cert": True,
        "ssl_verify_identity": mode == "VERIFY_IDENTITY",
    }


def _with_time_zones(batch: pa.RecordBatch, times: set[str]) -> pa.RecordBatch:
    instant = pa.timestamp("us", tz="UTC")
    columns = [
        column.cast(instant) if name in times else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)
