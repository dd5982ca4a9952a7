"""``make bench-sources``: rows of a database beside the same rows as Parquet.

`marquee data` reads everything once, so it is what is compared. The memory of the copy
is measured by itself, because what is counted afterwards grows with users and items.
Each measurement is a process of its own.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pg8000.dbapi
import pyarrow.parquet as pq
import pymysql
from rich.console import Console
from rich.table import Table

from pipeline.datasets.databases.address import PASSWORD, USER
from tests.support import databases, object_store

COPY = (
    "import sys; from pathlib import Path; "
    "from pipeline.datasets.databases.copy_rows import copy_rows; "
    "copy_rows(sys.argv[1], Path(sys.argv[2]), lambda *_: None)"
)
ROUNDS = 3
# As many users and items as MovieLens 20M has for its ratings.
USERS, ITEMS = 140_000, 27_000
POSTGRESQL = (
    f"CREATE TABLE ratings AS SELECT (n::bigint * 7919 % {USERS})::int AS user_id, "
    f"(n::bigint * 104729 % {ITEMS})::int AS item_id, (n % 10 / 2.0)::real AS rating, "
    "TIMESTAMPTZ '2020-01-01 00:00:00Z' + n * INTERVAL '1 second' AS timestamp "
    "FROM generate_series(1, {rows}) AS n"
)
MARIADB = (
    f"CREATE TABLE ratings AS SELECT seq * 7919 % {USERS} AS user_id, "
    f"seq * 104729 % {ITEMS} AS item_id, seq % 10 / 2 AS rating, "
    "TIMESTAMP('2020-01-01') + INTERVAL seq SECOND AS timestamp FROM seq_1_to_{rows}"
)


def measured(*arguments: str, env: Mapping[str, str]) -> tuple[float, float]:
    """Runs Python; returns its seconds, and the peak of its memory in MB."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *arguments], env=os.environ | env, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise click.ClickException(f"{' '.join(arguments)} failed")
    return time.monotonic() - begin, usage.ru_maxrss / 1024


@contextlib.contextmanager
def filled(kind: str, rows: int, folder: Path) -> Iterator[str]:
    """Starts a database with a table of ratings; yields the table's address."""
    start, connect, create = {
        "postgresql": (databases.postgresql, pg8000.dbapi.connect, POSTGRESQL),
        "mysql": (databases.mariadb, pymysql.connect, MARIADB),
    }[kind]
    with start(folder) as server:
        connection = connect(
            host=server.host,
            port=server.port,
            user=databases.USER,
            password=databases.PASSWORD,
            database=databases.STUDIES,
        )
        connection.cursor().execute(create.format(rows=rows))
        connection.commit()
        connection.close()
        yield f"{kind}://{server.host}:{server.port}/{databases.STUDIES}#ratings"


def measure(kind: str, rows: int, table: Table) -> None:
    """Adds a row for one database and number of rows, and one for an object store."""
    account = {USER: databases.USER, PASSWORD: databases.PASSWORD}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as servers:
        folder = Path(name)
        path = folder / "files" / "ratings.parquet"
        path.parent.mkdir()
        (folder / "database").mkdir()
        address = servers.enter_context(filled(kind, rows, folder / "database"))
        seconds, peak = measured("-c", COPY, address, str(path), env=account)
        sources: dict[str, tuple[str, Mapping[str, str]]] = {
            kind: (address, account),
            "parquet": (str(path), {}),
        }
        if kind == "postgresql":
            objects = stored(path, folder / "objects")
            sources["s3"] = servers.enter_context(objects)
        data = medians(sources)
        copy = (f"{seconds:.1f}", f"{peak:.0f}")
        for source in [source for source in sources if source != "parquet"]:
            table.add_row(
                *(source, f"{pq.read_metadata(path).num_rows:,}"),
                *(copy if source == kind else ("", "")),
                *(f"{data[source]:.1f}", f"{data['parquet']:.1f}"),
                f"{data[source] / data['parquet']:.2f}",
            )


def medians(sources: Mapping[str, tuple[str, Mapping[str, str]]]) -> dict[str, float]:
    """Returns the median of the seconds of `marquee data` for each source.

    The commands take turns, so that other work on the machine affects all of them.
    """
    seconds: dict[str, list[float]] = {source: [] for source in sources}
    for _ in range(ROUNDS):
        for source, (address, environment) in sources.items():
            command = ("-m", "pipeline", "data", address)
            seconds[source].append(measured(*command, env=environment)[0])
    return {source: statistics.median(found) for source, found in seconds.items()}


@contextlib.contextmanager
def stored(path: Path, folder: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Starts an object store with a file; yields its address, and the variables."""
    folder.mkdir()
    with object_store.minio(folder) as environment:
        client = object_store.client(environment)
        client.upload_file(str(path), object_store.BUCKET, path.name)
        yield f"s3://{object_store.BUCKET}/{path.name}", environment


@click.command()
@click.option("--rows", multiple=True, type=int, default=[1_000_000, 10_000_000])
def main(rows: tuple[int, ...]) -> None:
    """Prints the table of docs/benchmarks.md."""
    table = Table("source", "rows", "copy, s", "peak of the copy, MB", box=None)
    for heading in ("marquee data, s", "as Parquet, s", "ratio"):
        table.add_column(heading)
    for kind in ("postgresql", "mysql"):
        for number in rows:
            measure(kind, number, table)
    Console().print(table)


if __name__ == "__main__":
    main()
