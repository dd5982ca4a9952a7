"""Delta tables that delta-rs has written."""

import contextlib
import datetime
import json

import duckdb
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from pipeline.config.load import load_config
from pipeline.datasets.databases.copy_rows import copy_rows
from pipeline.datasets.errors import DatasetError
from pipeline.retraining.database_spans import copy_days
from tests.support import object_store

DAYS = ("2026-11-20", "2026-11-21", "2026-11-22")


def log_of(day):
    """Returns the rows of a day: user, item, stars and a time."""
    midnight = datetime.datetime.fromisoformat(f"{day}T00:00:00+00:00")
    times = [midnight + datetime.timedelta(minutes=n) for n in range(1440)]
    return [(f"u{n % 7}", n % 5, n % 10 / 2, at) for n, at in enumerate(times)]


def append(table, rows):
    with contextlib.closing(duckdb.connect()) as database:
        types = 'u TEXT, Film INT, rating FLOAT, "at" TIMESTAMPTZ'
        database.execute(f"CREATE TABLE log ({types})")
        database.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", rows)
        write_deltalake(str(table), database.table("log"), mode="append")


@pytest.fixture
def lake(tmp_path):
    """A table named as its folder, with a version for each of ``DAYS``."""
    table = tmp_path / "lake" / "my-log"
    for day in DAYS:
        append(table, log_of(day))
    return table


def rows_of(path):
    return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]


def without_files_of(table, *days):
    """Removes the data of all days but these."""
    for uri in DeltaTable(str(table)).file_uris():
        path = table / uri.rpartition("/")[2]
        if str(pq.read_table(path)["at"][0].as_py().date()) not in days:
            path.unlink()


def test_a_table_is_copied_with_its_version(lake, copied, reported):
    snapshot = copy_rows(f"delta://{lake}", copied, reported)
    assert sorted(rows_of(copied)) == sorted(row for d in DAYS for row in log_of(d))
    assert (snapshot.rows, snapshot.version) == (3 * 1440, 2)
    assert snapshot.source == f'delta://{lake}#"my-log"'
    assert list(snapshot.columns) == ["u", "Film", "rating", "at"]
    assert "version 2" in str(snapshot)


def test_an_earlier_version_can_be_read(lake, copied, reported):
    snapshot = copy_rows(f"delta://{lake}?version=0", copied, reported)
    assert rows_of(copied) == log_of(DAYS[0])
    assert snapshot.version == 0


def test_rows_that_were_deleted_are_not_read(lake, copied, reported):
    before = set(lake.glob("*.parquet"))
    DeltaTable(str(lake)).delete("rating > 1")
    assert before <= set(lake.glob("*.parquet"))  # the files of these rows remain
    snapshot = copy_rows(f"delta://{lake}", copied, reported)
    assert {rating for _, _, rating, _ in rows_of(copied)} == {0, 0.5, 1}
    assert (snapshot.rows, snapshot.version) == (3 * 1440 * 3 // 10, 3)


def test_queries_distinguish_names_by_case(lake, copied, reported):
    query = 'SELECT u, Film AS film FROM "my-log" WHERE rating = 4.5 ORDER BY at DESC'
    copy_rows(f"delta://{lake}#{query}", copied, reported)
    log = [row for day in DAYS for row in log_of(day)]
    assert rows_of(copied) == [(u, film) for u, film, r, _ in log[::-1] if r == 4.5]


def test_the_same_version_gives_the_same_bytes(tmp_path, copied, reported):
    with contextlib.closing(duckdb.connect()) as database:
        for part in range(4):
            rows = database.sql(f"SELECT n + {part} * 300000 AS n FROM range(300000)"
                                " AS t(n)")  # fmt: skip
            write_deltalake(str(tmp_path / "n"), rows, mode="append")
    address = f"delta://{tmp_path}/n"
    copy_rows(address, copied, reported)
    before = copied.read_bytes()
    assert sorted(pq.read_table(copied)["n"].to_pylist()) == list(range(1_200_000))
    for _ in range(3):
        copy_rows(address, copied, reported)
        assert copied.read_bytes() == before


def test_a_table_that_grows_meanwhile_is_read_as_it_was(lake, copied):
    grown = []

    def progress(*_):
        if not grown:
            append(lake, log_of("2026-11-23"))
            grown.append(True)

    assert copy_rows(f"delta://{lake}", copied, progress).rows == 3 * 1440
    assert copy_rows(f"delta://{lake}", copied, progress).rows == 4 * 1440


def test_the_predicate_of_a_day_leaves_other_files_unread(lake, tmp_path, reported):
    without_files_of(lake, DAYS[1])
    query = 'SELECT * FROM "my-log" WHERE at >= {start} AND at < {end}'
    settings = (f"out={tmp_path / 'out'}", "retrain.window=1 days")
    flags = {"--data": ("data.source", f"delta://{lake}#{query}")}
    config = load_config(None, settings, flags)
    spans = copy_days(config, datetime.date(2026, 11, 22), reported)
    span = spans / DAYS[1]
    assert rows_of(span / "ratings.parquet") == log_of(DAYS[1])
    assert json.loads((span / "_snapshot.json").read_text())["version"] == 2


@pytest.mark.parametrize(
    "condition",
    [
        "day >= {start} AND day < {end}",
        "text >= left({start}, 10) AND text < left({end}, 10)",
        "seconds >= to_unixtime({start}) AND seconds < to_unixtime({end})",
    ],
)
def test_the_documented_conditions_choose_a_day(tmp_path, copied, reported, condition):
    with contextlib.closing(duckdb.connect()) as database:
        rows = database.sql(
            "SELECT d::DATE AS day, strftime(d, '%Y-%m-%d') AS text, "
            "epoch(d)::BIGINT + 86399 AS seconds FROM "
            "range(DATE '2026-11-19', DATE '2026-11-24', INTERVAL 1 DAY) AS t(d)"
        )
        write_deltalake(str(tmp_path / "days"), rows)
    limits = {"start": "'2026-11-21 00:00:00'", "end": "'2026-11-22 00:00:00'"}
    query = f"SELECT text FROM days WHERE {condition.format(**limits)}"
    copy_rows(f"delta://{tmp_path}/days#{query}", copied, reported)
    assert rows_of(copied) == [("2026-11-21",)]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("{lake}/nothing", "does not exist"),
        ("{lake}?version=9", "version 9"),
        ("{lake}?at=9", r"as in \?version=7"),
        ("{lake}#other", "'datafusion.public.other' not found"),
        ('{lake}#SELECT film FROM "my-log"', 'No field named film.*"my-log"."Film"'),
        ('{lake}#SELECT * FROM "my-log" WHERE rating < 0', "there are no rows"),
        ('{lake}#SELECT CAST(u AS INT) AS u FROM "my-log"', "Cannot cast string 'u0'"),
    ],
)
def test_what_cannot_be_read_is_reported(lake, copied, reported, address, reason):
    with pytest.raises(DatasetError, match=reason) as error:
        copy_rows(f"delta://{address.format(lake=lake)}", copied, reported)
    assert "\n" not in str(error.value)
    assert copied.read_bytes() == b"the last copy"


def test_a_missing_file_leaves_nothing(lake, copied, reported):
    without_files_of(lake, *DAYS[:2])
    with pytest.raises(DatasetError, match=r"my-log.*(?i:not found|no such file)"):
        copy_rows(f"delta://{lake}", copied, reported)
    assert copied.read_bytes() == b"the last copy"


@pytest.mark.parametrize("command", ["data", "retrain"])
def test_a_table_named_as_a_folder_is_refused(lake, marquee, tmp_path, command):
    more = ("--out", str(tmp_path / "out")) if command == "retrain" else ()
    source = ("--data",) if command == "retrain" else ()
    looked = marquee(command, *source, str(lake), *more)
    assert looked.status == 3, looked.err
    assert f"Name it as a table: delta://{lake}" in " ".join(looked.err.split())


def test_an_iceberg_table_named_as_a_folder_is_refused(marquee, tmp_path):
    (tmp_path / "films" / "metadata").mkdir(parents=True)
    (tmp_path / "films" / "metadata" / "v1.metadata.json").write_text("{}")
    looked = marquee("data", str(tmp_path / "films"))
    assert looked.status == 3, looked.err
    assert "Iceberg table" in looked.err


@pytest.mark.sources
def test_a_table_in_s3_is_read(lake, copied, reported, marquee, tmp_path, monkeypatch):
    with object_store.minio(tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        address = f"s3://{object_store.BUCKET}/lake/log"
        client = object_store.client(variables)
        for path in lake.rglob("*"):
            if path.is_file():
                key = f"lake/log/{path.relative_to(lake)}"
                client.upload_file(str(path), object_store.BUCKET, key)
        snapshot = copy_rows(f"delta+{address}", copied, reported)
        assert sorted(rows_of(copied)) == sorted(r for d in DAYS for r in log_of(d))
        assert (snapshot.source, snapshot.version) == (f"delta+{address}#log", 2)

        looked = marquee("data", address)
        assert looked.status == 3, looked.err
        assert f"delta+{address}" in "".join(looked.err.split())

        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong secret of these tests")
        with pytest.raises(DatasetError, match="AWS_SECRET_ACCESS_KEY") as error:
            copy_rows(f"delta+{address}", copied, reported)
        assert "wrong secret" not in str(error.value)
