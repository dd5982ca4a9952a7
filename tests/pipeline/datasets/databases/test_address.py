import pytest

from pipeline.datasets.databases.address import is_database, parse
from pipeline.datasets.errors import DatasetError


@pytest.mark.parametrize(
    ("text", "kind", "place", "query", "shown"),
    [
        (
            *("postgresql://db:5432/shop#public.events", "postgresql", "db:5432/shop"),
            *("SELECT * FROM public.events", "postgresql://db:5432/shop#public.events"),
        ),
        (
            *("mariadb://db/shop#select a\nfrom b where c = '#';", "mysql", "db/shop"),
            "select a\nfrom b where c = '#'",
            "mariadb://db/shop#select a from b where c = '#'",
        ),
        (
            *("sqlite://shop.db#with x as (select 1) select *", "sqlite", "shop.db"),
            "with x as (select 1) select *",
            "sqlite://shop.db#with x as (select 1) select *",
        ),
        (
            *('duckdb:///data/shop.db#"selected items"', "duckdb", "/data/shop.db"),
            'SELECT * FROM "selected items"',
            'duckdb:///data/shop.db#"selected items"',
        ),
        (
            *("postgresql:///shop?host=/run#selection", "postgresql"),
            *("/shop?host=/run", "SELECT * FROM selection"),
            "postgresql:///shop?host=/run#selection",
        ),
        ("sqlite://shop.db", "sqlite", "shop.db", "", "sqlite://shop.db"),
    ],
)
def test_an_address_names_a_table_or_a_query(text, kind, place, query, shown):
    address = parse(text)
    assert (address.kind, address.place, address.query) == (kind, place, query)
    assert str(address) == shown


def test_a_long_query_is_shortened_in_messages():
    shown = str(parse("sqlite://a.db#SELECT " + "a" * 500))
    assert shown.startswith("sqlite://a.db#SELECT aaa")
    assert len(shown) < 130


@pytest.mark.parametrize("account", ["me", "me:secret"])
def test_an_account_in_an_address_is_refused_and_not_repeated(account):
    with pytest.raises(DatasetError, match="MARQUEE_SOURCE_PASSWORD") as error:
        parse(f"postgresql://{account}@db/shop#ratings")
    assert "sec" not in str(error.value).replace("MARQUEE_SOURCE", "")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        *((f"{kind}://x", True) for kind in ("postgres", "postgresql", "MySQL")),
        *((f"{kind}://x", True) for kind in ("mariadb", "sqlite", "duckdb")),
        *((source, False) for source in ("sqlite", "s3://sqlite", "a/b.csv", "", None)),
    ],
)
def test_databases_are_recognised_by_their_scheme(source, expected):
    assert is_database(source) == expected
