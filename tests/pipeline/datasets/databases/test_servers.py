"""Real PostgreSQL and MariaDB."""

import datetime
from decimal import Decimal

import pyarrow.parquet as pq
import pytest

from pipeline.datasets.databases.address import PASSWORD, USER
from pipeline.datasets.databases.copy_rows import copy_rows
from pipeline.datasets.errors import DatasetError
from tests.support import databases

pytestmark = pytest.mark.sources

ROWS = [(n % 7, f"item {n % 5} é", n % 10 / 2) for n in range(1000)]
MANY = 1_000_000


@pytest.fixture
def log(server):
    """A table with ``ROWS``."""
    values = ", ".join(map(str, ROWS))
    server.run(
        "DROP TABLE IF EXISTS log",
        "CREATE TABLE log (u INT, i VARCHAR(20), rating DOUBLE PRECISION)",
        f"INSERT INTO log VALUES {values}",
    )
    return f"{server.url}#log"


@pytest.fixture
def large(server):
    """A table with the numbers up to ``MANY``, and a text each."""
    numbers = {
        "postgresql": f"SELECT n, repeat('x', 40) FROM generate_series(1, {MANY}) AS n",
        "mysql": f"SELECT seq, repeat('x', 40) FROM seq_1_to_{MANY}",
    }[server.url.partition(":")[0]]
    server.run(
        "DROP TABLE IF EXISTS large",
        "CREATE TABLE large (n INT, x VARCHAR(40))",
        f"INSERT INTO large {numbers}",
    )
    return f"{server.url}#large"


def rows_of(path):
    return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]


def at_the_first_batch(action):
    """Returns a callback of progress that acts once."""
    called = []

    def progress(description, done, total):
        if not called:
            called.append(True)
            action()

    return progress


def test_tables_and_queries_are_copied_in_their_order(log, copied, reported):
    snapshot = copy_rows(log, copied, reported)
    assert rows_of(copied) == ROWS
    assert (snapshot.rows, snapshot.source) == (1000, log)
    query = "SELECT i AS film, u FROM log WHERE rating > 4 ORDER BY i, u DESC"
    copy_rows(log.replace("#log", f"#{query}"), copied, reported)
    expected = sorted({(i, -u) for u, i, rating in ROWS if rating > 4})
    assert list(dict.fromkeys(rows_of(copied))) == [(i, -u) for i, u in expected]


def test_the_same_rows_give_the_same_bytes(large, copied, reported):
    copy_rows(large, copied, reported)
    before = copied.read_bytes()
    copy_rows(large, copied, reported)
    assert copied.read_bytes() == before
    assert pq.read_table(copied)["n"].to_pylist() == list(range(1, MANY + 1))


def test_a_table_that_grows_meanwhile_is_read_as_it_was(
    server, large, copied, reported
):
    change = ("UPDATE large SET n = -n", "INSERT INTO large VALUES (0, '')")
    grow = at_the_first_batch(lambda: server.run(*change))
    assert copy_rows(large, copied, grow).rows == MANY
    assert pq.read_table(copied)["n"].to_pylist() == list(range(1, MANY + 1))
    assert copy_rows(large, copied, reported).rows == MANY + 1


def test_a_lost_connection_leaves_nothing(server, large, copied):
    def cut():
        if server.url.startswith("postgresql"):
            server.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query "
                "LIKE '%large%' AND pid <> pg_backend_pid()"
            )
            return
        for number, *_, statement, _ in server.run("SHOW FULL PROCESSLIST"):
            if "large" in str(statement):
                server.run(f"KILL {number}")

    with pytest.raises(DatasetError, match=r"stopped after [\d,]+ rows: .*run again"):
        copy_rows(large, copied, at_the_first_batch(cut))
    assert copied.read_bytes() == b"the last copy"
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


def test_a_query_that_takes_too_long_is_given_up(account, postgresql, copied, reported):
    options = "?options=-c%20statement_timeout%3D300"
    address = f"{postgresql.url}{options}#SELECT 1 AS u, pg_sleep(60)::text AS i"
    with pytest.raises(DatasetError, match="statement timeout"):
        copy_rows(address, copied, reported)
    assert copied.read_bytes() == b"the last copy"


def test_a_time_limit_of_mariadb_is_reported(
    account, mysql, copied, reported, monkeypatch
):
    mysql.run("DROP TABLE IF EXISTS one", "CREATE TABLE one AS SELECT 1 AS u")
    monkeypatch.setenv(USER, databases.HASTY)
    with pytest.raises(DatasetError, match="max_statement_time exceeded"):
        copy_rows(f"{mysql.url}#SELECT u, SLEEP(60) FROM one", copied, reported)
    assert copied.read_bytes() == b"the last copy"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("nothing", "nothing"),
        ("SELECT frm log", "frm"),
        ("SELECT * FROM log WHERE u < 0", "there are no rows"),
        ("SELECT u, i AS u FROM log", "(?i)two columns.*'u'|duplicate.*'u'"),
        ("log; DROP TABLE log", "."),
    ],
)
def test_a_failed_query_names_the_reason(log, copied, reported, rows, reason):
    with pytest.raises(DatasetError, match=reason) as error:
        copy_rows(log.replace("#log", f"#{rows}"), copied, reported)
    assert str(error.value).startswith(log.replace("#log", f"#{rows}: "))
    assert "\n" not in str(error.value)
    assert copied.read_bytes() == b"the last copy"
    assert copy_rows(log, copied, reported).rows == 1000  # nothing was dropped


def test_without_a_table_those_of_the_database_are_named(server, log, copied, reported):
    with pytest.raises(DatasetError, match=r"Tables there: .*\blog\b"):
        copy_rows(server.url, copied, reported)


@pytest.mark.parametrize("user", [databases.USER, "nobody"])
def test_a_wrong_account_is_reported_without_it(
    log, copied, reported, monkeypatch, user
):
    monkeypatch.setenv(USER, user)
    monkeypatch.setenv(PASSWORD, "wr@ng/p:ss#wörd")
    with pytest.raises(DatasetError, match=f"read from {USER} and {PASSWORD}") as error:
        copy_rows(log, copied, reported)
    assert "wr" not in str(error.value).replace("wrong", "")
    assert copied.read_bytes() == b"the last copy"


def test_an_account_that_may_only_read_suffices(
    account, postgresql, copied, reported, monkeypatch
):
    password = "a b@c/d:e#f?g%h&i+j"
    postgresql.run(
        "CREATE TABLE IF NOT EXISTS readable (u INT)",
        "INSERT INTO readable VALUES (7)",
        "DROP ROLE IF EXISTS reader",
        f"CREATE ROLE reader LOGIN PASSWORD '{password}'",
        "GRANT SELECT ON readable TO reader",
    )
    monkeypatch.setenv(USER, "reader")
    monkeypatch.setenv(PASSWORD, password)
    copy_rows(f"{postgresql.url}#readable", copied, reported)
    assert rows_of(copied) == [(7,)]
    with pytest.raises(DatasetError, match="permission denied"):
        copy_rows(f"{postgresql.url}#pg_authid", copied, reported)


def test_types_of_postgresql_keep_their_values(account, postgresql, copied, reported):
    query = (
        "SELECT 7::bigint AS whole, 1.5::real AS half, 7.50::numeric(5, 2) AS exact, "
        "TIMESTAMPTZ '2026-01-01 12:00:00.5+02' AS instant, "
        "TIMESTAMP '2026-01-01 12:00' AS local, DATE '2026-01-01' AS day, "
        "'x'::varchar AS text, ARRAY['a', 'b'] AS genres, "
        '\'00000000-0000-0000-0000-000000000001\'::uuid AS "an ""id""", '
        "'10.0.0.1'::inet AS address, INTERVAL '1 day' AS age, true AS paid "
        f"UNION ALL SELECT {', '.join(['NULL'] * 12)}"
    )
    copy_rows(f"{postgresql.url}#{query}", copied, reported)
    first, nulls = rows_of(copied)
    assert first == (
        *(7, 1.5, "7.50"),
        datetime.datetime(2026, 1, 1, 10, 0, 0, 500_000, datetime.UTC),
        *(datetime.datetime(2026, 1, 1, 12), datetime.date(2026, 1, 1), "x"),
        *(["a", "b"], "00000000-0000-0000-0000-000000000001", "10.0.0.1/32"),
        *("1 day", True),
    )
    assert set(nulls) == {None}


def test_types_of_mariadb_keep_their_values(account, mysql, copied, reported):
    mysql.run(
        "DROP TABLE IF EXISTS types",
        "CREATE TABLE types (whole BIGINT UNSIGNED, half FLOAT, exact DECIMAL(5, 2), "
        "instant TIMESTAMP(6) NULL, `local` DATETIME, day DATE, text TEXT, "
        "`a ``kind``` ENUM('a', 'b'), id UUID)",
        "SET time_zone = '+02:00'",
        "INSERT INTO types VALUES (18446744073709551615, 1.5, 7.5, "
        "'2026-01-01 12:00:00.5', '2026-01-01 12:00', '2026-01-01', 'é', 'b', "
        "'00000000-0000-0000-0000-000000000001')",
        f"INSERT INTO types VALUES ({', '.join(['NULL'] * 9)})",
    )
    copy_rows(f"{mysql.url}#types", copied, reported)
    first, nulls = rows_of(copied)
    assert first == (
        *(2**64 - 1, 1.5, Decimal("7.5")),
        datetime.datetime(2026, 1, 1, 10, 0, 0, 500_000, datetime.UTC),
        *(datetime.datetime(2026, 1, 1, 12), datetime.date(2026, 1, 1), "é", "b"),
        "00000000-0000-0000-0000-000000000001",
    )
    assert set(nulls) == {None}


def test_rows_with_instants_keep_the_order_of_the_query(
    account, mysql, copied, reported
):
    mysql.run(
        "DROP TABLE IF EXISTS visits",
        "CREATE TABLE visits (n INT, instant TIMESTAMP(6))",
        "SET time_zone = '+02:00'",
        "INSERT INTO visits VALUES (2, '2026-01-01 12:00'), (3, '2026-07-01 12:00'), "
        "(1, '2026-01-01 12:00:00.000001')",
    )
    copy_rows(f"{mysql.url}#SELECT n, instant FROM visits ORDER BY n", copied, reported)
    noon = datetime.datetime(2026, 1, 1, 10, tzinfo=datetime.UTC)
    assert rows_of(copied) == [
        (1, noon.replace(microsecond=1)),
        (2, noon),
        (3, noon.replace(month=7)),
    ]
