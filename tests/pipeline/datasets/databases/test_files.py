"""SQLite and DuckDB: databases that are files."""

import contextlib
import datetime
import functools
import json
import sqlite3
from decimal import Decimal

import duckdb
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.databases.copy_rows import copy_rows
from pipeline.datasets.errors import DatasetError

LOG = [(f"u{n % 7}", n % 5, n % 10 / 2, 1_600_000_000 + n) for n in range(400)]
# Both commit each statement that is not within a transaction.
_CONNECT = {
    "sqlite": functools.partial(sqlite3.connect, isolation_level=None),
    "duckdb": duckdb.connect,
}


@pytest.fixture(params=sorted(_CONNECT))
def shop(request, tmp_path):
    """A database with the table ``log``; its URL, and a function that runs SQL."""
    path = tmp_path / "a shop.db"
    connect = _CONNECT[request.param]

    def run(sql, rows=None):
        with contextlib.closing(connect(str(path))) as database:
            if rows is None:
                database.execute(sql)
            else:
                database.execute("BEGIN")
                database.executemany(sql, rows)
                database.commit()

    run("CREATE TABLE log (u TEXT, i INTEGER, rating DOUBLE, sec BIGINT)")
    run("INSERT INTO log VALUES (?, ?, ?, ?)", LOG)
    return f"{request.param}://{path}", run


def rows_of(path):
    return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]


def test_a_table_is_copied_in_its_order(shop, tmp_path, reported):
    url, _ = shop
    path = tmp_path / "new" / "ratings.parquet"
    snapshot = copy_rows(f"{url}#log", path, reported)
    assert rows_of(path) == LOG
    assert (snapshot.rows, list(snapshot.columns)) == (400, ["u", "i", "rating", "sec"])
    assert snapshot.query == "SELECT * FROM log"
    assert snapshot.source == f"{url}#log"
    assert datetime.datetime.fromisoformat(snapshot.at).utcoffset().seconds == 0
    assert [child.name for child in path.parent.iterdir()] == [path.name]


def test_a_query_is_copied(shop, tmp_path, reported):
    url, _ = shop
    path = tmp_path / "ratings.parquet"
    query = "SELECT u AS member, i FROM log WHERE rating > 4 ORDER BY sec DESC;"
    copy_rows(f"{url}#{query}", path, reported)
    assert rows_of(path) == [(u, i) for u, i, rating, _ in LOG[::-1] if rating > 4]


def test_the_same_rows_give_the_same_bytes(shop, tmp_path, reported):
    url, run = shop
    path = tmp_path / "ratings.parquet"
    copy_rows(f"{url}#log", path, reported)
    before = path.read_bytes()
    copy_rows(f"{url}#log", path, reported)
    assert path.read_bytes() == before
    run("INSERT INTO log VALUES ('new', 1, 1, 1)")
    copy_rows(f"{url}#log", path, reported)
    assert rows_of(path) == [*LOG, ("new", 1, 1.0, 1)]


def test_many_rows_are_written_in_groups_of_equal_length(tmp_path, reported):
    query = "SELECT range AS n FROM range(300001)"
    duckdb.connect(str(tmp_path / "empty.db")).close()
    path = tmp_path / "ratings.parquet"
    copy_rows(f"duckdb://{tmp_path / 'empty.db'}#{query}", path, reported)
    file = pq.ParquetFile(path)
    groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [131_072, 131_072, 37_857]
    assert file.read()["n"].to_pylist() == list(range(300_001))


def test_without_a_table_those_of_the_database_are_named(shop, tmp_path, reported):
    url, run = shop
    run("CREATE TABLE films (title TEXT)")
    with pytest.raises(DatasetError, match=r"#films\. Tables there: films, log\."):
        copy_rows(url, tmp_path / "x.parquet", reported)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("nothing", "nothing"),  # both name the table that does not exist
        ("SELECT frm log", "frm|log"),
        ("SELECT * FROM log WHERE sec < 0", "there are no rows"),
        ("SELECT u, i AS u FROM log", "u"),
        ("log; DROP TABLE log", "."),
        ("log UNION SELECT * FROM log WHERE", "."),
    ],
)
def test_a_failed_query_leaves_the_last_copy_as_it_was(shop, tmp_path, reported,
                                                       rows, reason):  # fmt: skip
    url, _ = shop
    path = tmp_path / "ratings.parquet"
    path.write_bytes(b"the last one")
    if rows == "SELECT u, i AS u FROM log" and url.startswith("sqlite"):
        pytest.skip("SQLite renames one of the columns")
    with pytest.raises(DatasetError, match=reason) as error:
        copy_rows(f"{url}#{rows}", path, reported)
    assert str(error.value).startswith(f"{url}#{rows.split(' ')[0]}")
    assert "\n" not in str(error.value)
    assert path.read_bytes() == b"the last one"
    assert {child.name for child in tmp_path.iterdir()} == {path.name, "a shop.db"}
    copy_rows(f"{url}#log", path, reported)
    assert rows_of(path) == LOG  # nothing was dropped


def test_a_database_is_never_created_or_written(shop, tmp_path, reported):
    url, _ = shop
    kind = url.partition("://")[0]
    with pytest.raises(DatasetError, match="no such file"):
        copy_rows(f"{kind}://{tmp_path}/other.db#log", tmp_path / "x", reported)
    assert not (tmp_path / "other.db").exists()
    (tmp_path / "text.db").write_text("user,item\n" * 1000)
    with pytest.raises(DatasetError, match="database"):
        copy_rows(f"{kind}://{tmp_path}/text.db#log", tmp_path / "x", reported)


def test_an_absolute_path_by_mistake_is_explained(tmp_path, monkeypatch, reported):
    monkeypatch.chdir(tmp_path)
    sqlite3.connect("shop.db").close()
    with pytest.raises(DatasetError, match=r"two slashes: sqlite://shop\.db"):
        copy_rows("sqlite:///shop.db#log", tmp_path / "x", reported)


def test_columns_of_sqlite_get_a_type_that_fits_all_values(tmp_path, reported):
    database = sqlite3.connect(tmp_path / "a.db")
    database.execute('CREATE TABLE t (whole, "a ""real""", mixed, none, bytes)')
    database.executemany(
        "INSERT INTO t VALUES (?, ?, ?, ?, ?)",
        [(1, 1, 7, None, b"\x01\xff"), (None, 2.5, "x", None, None)],
    )
    database.commit()
    path = tmp_path / "t.parquet"
    snapshot = copy_rows(f"sqlite://{tmp_path}/a.db#t", path, reported)
    assert list(snapshot.columns.values()) == [
        *("int64", "double", "string", "string", "string")
    ]
    assert rows_of(path) == [(1, 1.0, "7", None, "01FF"), (None, 2.5, "x", None, None)]


def test_columns_of_duckdb_keep_their_values(tmp_path, reported):
    with duckdb.connect(str(tmp_path / "a.db")) as database:
        database.execute(
            "CREATE TABLE t AS SELECT 170141183460469231731687303715884105727::HUGEINT "
            "AS huge, 7.5::DECIMAL(4, 2) AS stars, TIMESTAMPTZ '2026-01-01 12:00+02' AS"
            " at, 'b'::ENUM('a', 'b') AS kind, ['x', 'y'] AS genres, "
            "'00000000-0000-0000-0000-000000000001'::UUID AS id"
        )
    path = tmp_path / "t.parquet"
    copy_rows(f"duckdb://{tmp_path}/a.db#t", path, reported)
    [(huge, stars, at, *rest)] = rows_of(path)
    assert (huge, stars) == (Decimal(2**127 - 1), Decimal("7.5"))
    assert at == datetime.datetime(2026, 1, 1, 10, tzinfo=datetime.UTC)
    assert rest == ["b", ["x", "y"], "00000000-0000-0000-0000-000000000001"]


def test_duckdb_reads_no_other_file(tmp_path, reported):
    duckdb.connect(str(tmp_path / "a.db")).close()
    (tmp_path / "b.csv").write_text("user,item\n1,2\n")
    with pytest.raises(DatasetError, match="disabled"):
        copy_rows(
            f"duckdb://{tmp_path}/a.db#'{tmp_path}/b.csv'", tmp_path / "x", reported
        )


def test_the_commands_before_a_run_read_a_database(shop, marquee, tmp_path):
    url, _ = shop
    columns = ("--column", "user_id=u", "--column", "item_id=i")
    looked = marquee("data", f"{url}#log", *columns, "--json")
    assert looked.status == 0, looked.err
    found = json.loads(looked.out)
    assert (found["read"], found["users"], found["items"]) == (400, 7, 5)
    assert found["snapshots"]["ratings"]["rows"] == 400
    assert found["files"] == [f"{url}#log"]

    shown = marquee("data", f"{url}#log", *columns)
    assert "400 rows of" in shown.out

    proposed = marquee("schema", "propose", f"{url}#log", *columns)
    assert proposed.status == 0, proposed.err
    assert f"400 ratings of 7 users in {url}#log" in proposed.out.replace("\n# ", " ")
    assert {child.name for child in tmp_path.iterdir()} == {"a shop.db"}
