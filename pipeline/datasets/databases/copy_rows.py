"""Copies the rows of a table or query to a Parquet file: completely, or not at all.

Everything behind reads files: the recognition of columns, the cache key of
RatingsExampleGen, quarantine, and serving. The rows are read once, by one query, and so
the file holds one state of the database, however it changes meanwhile.
"""

import dataclasses
import datetime
import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from components import durable_files
from pipeline.datasets.archives import Progress
from pipeline.datasets.databases.address import (
    FILES,
    PASSWORD,
    SERVERS,
    USER,
    Address,
    parse,
)
from pipeline.datasets.databases.snapshot import Snapshot
from pipeline.datasets.errors import DatasetError

# Rows that are in memory at once, and that the readers of the file read at once.
_GROUP_ROWS = 1 << 17
_TABLES_SHOWN = 20
_COLOURS = re.compile("\x1b\\[[0-9;]*m")  # in messages for terminals
# Reasons of servers that have to do with the account.
_ACCOUNT = re.compile("authenticat|password|denied|role", re.I)


class NoRowsError(DatasetError):
    """A table or query that has no rows."""


class _Client(Protocol):
    """A module that reads one kind of database.

    Attributes:
        ERRORS: Exceptions of the database's client.
        TABLES: Query for the names of the tables.
    """

    ERRORS: tuple[type[Exception], ...]
    TABLES: str

    def batches(self, place: str, query: str) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a query, all as they were at one moment."""


def copy_rows(source: str, path: Path, progress: Progress) -> Snapshot:
    """Copies rows of a database to a file, which replaces one that was there.

    Args:
        source: ``URL#TABLE`` or ``URL#QUERY``.
        path: The Parquet file to write. If there is an error, it stays as it was.
        progress: Called with the bytes read.

    Raises:
        DatasetError: If the rows cannot be read to their end, or there are none.
    """
    address = parse(source)
    if address.kind in FILES:
        _check_file(address)
    if not address.query:
        raise _no_table(address)
    version = None
    if address.kind == "delta":
        address, version = _at_one_version(address)
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    with durable_files.replacing(path) as unfinished:
        groups = _groups(_rows(address, address.query), f"reading {address}", progress)
        first = next(groups, None)
        if first is None:
            raise NoRowsError(
                f"{address}: there are no rows. Check the table, or the conditions of "
                "the query."
            )
        rows = first.num_rows
        with pq.ParquetWriter(unfinished, first.schema) as writer:
            writer.write_table(first)
            for group in groups:
                writer.write_table(group)
                rows += group.num_rows
    columns = {field.name: str(field.type) for field in first.schema}
    return Snapshot(str(address), address.query, rows, columns, at, version)


def _groups(
    batches: Iterator[pa.RecordBatch], description: str, progress: Progress
) -> Iterator[pa.Table]:
    """Yields tables of equal length, whatever the lengths of the batches.

    So the same rows give the same file, and what follows is served from the cache.
    """
    waiting: list[pa.RecordBatch] = []
    num_waiting = num_bytes = 0
    for batch in batches:
        waiting.append(batch)
        num_waiting += batch.num_rows
        num_bytes += batch.nbytes
        progress(description, num_bytes, None)
        if num_waiting >= _GROUP_ROWS:
            table = pa.Table.from_batches(waiting)
            whole = num_waiting - num_waiting % _GROUP_ROWS
            for begin in range(0, whole, _GROUP_ROWS):
                yield table.slice(begin, _GROUP_ROWS)
            waiting = table.slice(whole).to_batches()
            num_waiting -= whole
    if num_waiting:
        yield pa.Table.from_batches(waiting)


def _rows(address: Address, query: str) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query.

    Raises:
        DatasetError: If a query fails, or the connection is lost.
    """
    client = _client(address.kind)
    rows = 0
    try:
        for batch in client.batches(address.place, query):
            if batch.num_rows:
                _check_names(address, batch.schema)
                rows += batch.num_rows
                yield batch
    except client.ERRORS as error:
        raise _failed(address, error, rows) from error


def _client(kind: str) -> _Client:
    return cast(_Client, importlib.import_module(f"{__package__}.{kind}"))


def _at_one_version(address: Address) -> tuple[Address, int]:
    """Returns the address of one version of a Delta table, and the version.

    Raises:
        DatasetError: If there is no such table, or no such version.
    """
    from pipeline.datasets.databases import delta

    try:
        place, version = delta.at_version(address.place)
    except delta.ERRORS as error:
        raise _failed(address, error, 0) from error
    return dataclasses.replace(address, place=place), version


def _check_names(address: Address, schema: pa.Schema) -> None:
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise DatasetError(
                f"{address}: two columns are named {name!r}. Select those that are "
                "needed, and rename one with AS."
            )


def _check_file(address: Address) -> None:
    if os.path.isfile(address.place):
        return
    hint = ""
    if os.path.isfile(address.place.lstrip("/")):
        hint = f" A relative path has two slashes: {address.kind}://" + (
            address.place.lstrip("/")
        )
    raise DatasetError(f"{address.url}: there is no such file.{hint}")


def _no_table(address: Address) -> DatasetError:
    """Returns the error for an address without a table, with those that there are."""
    found = _rows(address, _client(address.kind).TABLES)
    names = [name for batch in found for name in batch.column(0).to_pylist()]
    tables = ", ".join(names[:_TABLES_SHOWN]) or "none"
    more = (
        f" and {len(names) - _TABLES_SHOWN} more" if len(names) > _TABLES_SHOWN else ""
    )
    return DatasetError(
        f"{address.url}: add the table, or a query, after a #, as in "
        f"{address.url}#{names[0] if names else 'ratings'}. Tables there: "
        f"{tables}{more}."
    )


def _failed(address: Address, error: Exception, rows: int) -> DatasetError:
    """Returns the error for rows that cannot be read, in one line."""
    # Some clients pass a number and a message; one repeats the query.
    message = str(error.args[-1] if len(error.args) == 2 else error)
    plain = _COLOURS.sub("", message.partition("Query was:")[0])
    reason = " ".join(plain.split())
    password = os.environ.get(PASSWORD)
    if password:
        reason = reason.replace(password, "***")
    if rows:
        return DatasetError(
            f"{address}: reading stopped after {rows:,} rows: {reason}. Nothing of it "
            "was kept; run again to read the rows anew."
        )
    account = ""
    if address.kind in SERVERS and _ACCOUNT.search(reason):
        account = f" The account is read from {USER} and {PASSWORD}."
    elif address.place.startswith("s3://"):
        account = (
            " Check the address, and the variables AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL."
        )
    return DatasetError(f"{address}: {reason.rstrip('.')}.{account}")
