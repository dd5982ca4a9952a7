"""Files of items and users of the kinds that people bring, each with its right value.

``marquee data``, ``marquee schema propose`` and the steps of a run must agree on each.
The right values were read from the files by eye.
"""

import dataclasses
import io
import re
import shutil
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tfx import types
from tfx.types import standard_artifacts

from components.catalogue_gen.component import CatalogueGen
from components.catalogue_gen.reader import describe_items, find_items, read_items
from components.ratings_example_gen import (
    BadInputError,
    Settings,
    inspect,
    recognise_ratings,
)
from components.ratings_example_gen.component import RatingsExampleGen
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.driver import RatingsDriver
from components.ratings_example_gen.execution_input import find_input, read_settings
from components.ratings_example_gen.side_files.tables import (
    side_tables_of,
    with_first_matches,
)
from components.ratings_example_gen.side_files.users import read_users
from pipeline.schema_proposal import propose
from pipeline.views.terminal import RunView, open_console

CASES = Path(__file__).parents[1] / "cases"


@dataclasses.dataclass(frozen=True)
class Found:
    """What a way to read the data finds.

    Attributes:
        items: Some items: id → (title, features).
        users: Some users: id → features.
        item_features: Names of all features of items.
        user_features: Names of all features of users.
    """

    items: dict[str, tuple[str | None, dict[str, list[str]]]]
    users: dict[str, dict[str, list[str]]]
    item_features: set[str]
    user_features: set[str]


@dataclasses.dataclass(frozen=True)
class Case:
    """Files, and what is right.

    Attributes:
        files: Name in the test's folder → file of the cases, or its text.
        data: What is given to the commands, within that folder.
        settings: How it is read.
        found: What is right.
        items_matched: (rated items in the file, rated items).
        users_matched: The same of the users.
    """

    files: dict[str, str]
    data: str
    found: Found
    items_matched: tuple[int, int] | None
    users_matched: tuple[int, int] | None
    settings: Settings = Settings(split_kind="random")


def folder(name: str) -> dict[str, str]:
    """All files of a folder of the cases."""
    return {path.name: f"{name}/{path.name}" for path in (CASES / name).iterdir()}


GENRES = ["Animation", "Comedy"]
RECBOLE = Found(
    {"2": ("Toy Story 2", {"item_release_year": ["1992"], "item_class": GENRES})},
    {"1": {"user_age": ["21"], "user_gender": ["F"]}},
    {"item_release_year", "item_class"},
    {"user_age", "user_gender"},
)
PARQUET = Found(
    {"2": ("Lamp 2", {"item_brand": ["b2"]})},
    {"2": {"user_age": ["2"]}},
    {"item_brand"},
    {"user_age"},
)
SHOP = Found(
    {
        "0": (
            'Lampe "Größe" 0, rot',
            {
                **{"item_categories": ["home", "light", "c0"], "item_stock": ["0"]},
                **{"item_price": [], "item_brand": []},
            },
        ),
        "1": (
            'Lampe "Größe" 1, rot',
            {
                **{"item_categories": ["home", "light", "c1"], "item_stock": ["1"]},
                **{"item_price": ["1.37"], "item_brand": []},
            },
        ),
        "3": (
            'Lampe "Größe" 3, rot',
            {
                **{"item_categories": ["home", "light", "c3"], "item_stock": ["0"]},
                **{"item_price": ["4.11"], "item_brand": ["Ikea"]},
            },
        ),
    },
    {
        "4": {"user_age": [], "user_city": ["city4"], "user_tags": []},
        "5": {"user_age": ["25"], "user_city": ["city5"], "user_tags": ["a", "b"]},
    },
    {"item_categories", "item_price", "item_brand", "item_stock"},
    {"user_age", "user_city", "user_tags"},
)
MULTILINE = Found(
    {
        "1": (
            "Lamp 1",
            {
                "item_description": ['A "fine" lamp.\nSecond line, with comma.'],
                "item_categories": ["home", "light", "c1"],
                "item_price": ["1.37"],
            },
        )
    },
    {},
    {"item_description", "item_categories", "item_price"},
    set(),
)
BOOKS = Found(
    {
        "000000006X": (
            'Das Buch über 6, Teil & mehr; Käse ("Neu")',
            {
                **{"item_book_author": ["Müller"], "item_publisher": ["Verlag 6"]},
                "item_year_of_publication": ["1996"],
            },
        )
    },
    {
        "276700": {"user_location": ["málaga, andalucía, spain"], "user_age": ["20"]},
        "276701": {"user_location": ["málaga, andalucía, spain"], "user_age": []},
    },
    {"item_book_author", "item_publisher", "item_year_of_publication"},
    {"user_location", "user_age"},
)
SHOP_RATINGS = {"ratings.csv": "features/shop_multiline/ratings.csv"}
WITH_ID = Found({"1": ("Heat", {}), "2": ("Ronin", {})}, {}, set(), set())
RATED = "user_id,item_id,rating\nu,1,5\nu,2,4\nu,3,3\n"
BLANKS = Found(
    {"lamp": ("A lamp", {"item_colour": ["red"]})}, {}, {"item_colour"}, set()
)
ITEMS_WITH_ID = {"items.csv": "columns/items_with_id.csv", "ratings.csv": RATED}
CASES_BY_NAME = {
    "id beside item_id": Case(ITEMS_WITH_ID, "ratings.csv", WITH_ID, (2, 3), None),
    "id beside item_id, in a folder": Case(ITEMS_WITH_ID, "", WITH_ID, (2, 3), None),
    "id is named": Case(
        ITEMS_WITH_ID,
        "ratings.csv",
        Found({"900": ("Heat", {})}, {}, set(), set()),
        (0, 3),
        None,
        Settings(split_kind="random", item_columns={"item_id": "id"}),
    ),
    "RecBole": Case(folder("features/recbole"), "", RECBOLE, (119, 119), (12, 12)),
    "RecBole, beside the file": Case(
        folder("features/recbole"), "toy.inter", RECBOLE, (119, 119), (12, 12)
    ),
    "Parquet": Case(
        folder("features/all_parquet"), "", PARQUET, (150, 150), (300, 300)
    ),
    "Parquet, beside the file": Case(
        folder("features/all_parquet"),
        "ratings.parquet",
        PARQUET,
        (150, 150),
        (300, 300),
    ),
    "shop": Case(
        {**folder("features/shop"), **SHOP_RATINGS}, "ratings.csv", SHOP, None, None
    ),
    "records over lines": Case(
        folder("features/shop_multiline"), "", MULTILINE, None, None
    ),
    "blanks after commas": Case(
        {
            "ratings.csv": "ids/spaces_after_comma.csv",
            "items.csv": "item_id, title, colour\nlamp, A lamp, red\n",
        },
        "ratings.csv",
        BLANKS,
        (1, 1),
        None,
    ),
    "Book-Crossing": Case(
        folder("separators/latin1"),
        "BX-Book-Ratings.csv",
        BOOKS,
        None,
        (7, 7),
        Settings(
            split_kind="random",
            dialect=Dialect(delimiter=";", encoding="latin-1", escape="\\"),
            item_columns={"title": "Book-Title"},
        ),
    ),
    "Book-Crossing, in a folder": Case(
        folder("separators/latin1"),
        "",
        BOOKS,
        None,
        (7, 7),
        Settings(split_kind="random", dialect=Dialect(encoding="latin-1")),
    ),
    "items with another separator than the ratings": Case(
        {
            "ratings.csv": "user_id;item_id;rating\nu;1;5\nu;2;4\n",
            "items.csv": "item_id,title\n1,Heat; the film\n2,Ronin\n",
        },
        "ratings.csv",
        Found({"1": ("Heat; the film", {})}, {}, set(), set()),
        (2, 2),
        None,
        Settings(split_kind="random", dialect=Dialect(delimiter=";")),
    ),
    "JSON lines": Case(
        {
            "ratings.csv": RATED,
            "items.jsonl": '{"item_id": 1, "title": "Heat", "genres": ["War", "Spy"]}\n'
            '{"item_id": 2, "title": null, "year": 1998}\n',
        },
        "ratings.csv",
        Found(
            {
                "1": ("Heat", {"item_genres": ["War", "Spy"], "item_year": []}),
                "2": (None, {"item_genres": [], "item_year": ["1998"]}),
            },
            {},
            {"item_genres", "item_year"},
            set(),
        ),
        (2, 3),
        None,
    ),
}


@pytest.fixture(params=CASES_BY_NAME.values(), ids=CASES_BY_NAME.keys())
def case(request, tmp_path) -> Case:
    """One case, with its files in the test's folder."""
    for name, source in request.param.files.items():
        if "\n" in source:
            (tmp_path / name).write_text(source)
        else:
            shutil.copy(CASES / source, tmp_path / name)
    return request.param


def read_by_a_run(data: Path, settings: Settings) -> Found:
    """What the steps read: items by CatalogueGen, users by RatingsExampleGen."""
    base, pattern = (data.parent, data.name) if data.is_file() else (data, "*")
    ratings = RatingsExampleGen(str(base), settings, pattern)
    resolved = RatingsDriver(None).resolve_exec_properties(
        dict(ratings.exec_properties), None, None
    )
    table = find_input(resolved, read_settings(resolved)).users
    users: dict[str, dict[str, list[str]]] = {}
    for _, piece in read_users(table, 2) if table else ():
        users |= {user: dict(features) for user, features in piece.users.items()}
    catalogue = CatalogueGen(
        types.Channel(type=standard_artifacts.Examples), str(data), settings
    )
    part = find_items(catalogue.exec_properties)
    items = {}
    names: set[str] = set()
    if part:
        rows = read_items(describe_items(part, settings)).table
        names = {name for name in rows.column_names if name.startswith("item_")}
        names -= {"item_id"}
        for row in rows.to_pylist():
            features = {name: row[name] for name in names}
            items[row["item_id"]] = (row["title"], features)
    return Found(
        items, users, names, {name for user in users.values() for name in user}
    )


def test_a_run_reads_what_is_right(case, tmp_path):
    found = read_by_a_run(tmp_path / case.data, case.settings)
    assert {item: found.items[item] for item in case.found.items} == case.found.items
    assert {user: found.users[user] for user in case.found.users} == case.found.users
    assert found.item_features == case.found.item_features
    assert found.user_features == case.found.user_features


def test_marquee_data_shows_the_same(case, tmp_path):
    summary = inspect(tmp_path / case.data, case.settings)
    found = read_by_a_run(tmp_path / case.data, case.settings)
    for kind, entities, features, matched in (
        ("items", found.items, case.found.item_features, case.items_matched),
        ("users", found.users, case.found.user_features, case.users_matched),
    ):
        side = getattr(summary, f"{kind}_file")
        assert (side is None) == (not entities)
        if side is None:
            continue
        assert {feature.name for feature in side.features} == features
        assert side.rows == len(entities) + side.repeated
        if matched:
            assert (side.matched, side.rated) == matched


def test_a_proposed_schema_has_the_same_features(case, tmp_path):
    text = propose(tmp_path / case.data, case.settings).text
    names = set(re.findall(r'name: "(user_\w+)"', text)) - {"user_id"}
    assert names == case.found.user_features


def test_what_does_not_match_is_shown(tmp_path):
    (tmp_path / "ratings.csv").write_text("user_id,item_id\na,lamp\na,rug\n")
    (tmp_path / "items.csv").write_text('item_id,title\n"lamp",Lamp\nLAMP,x\n')
    (tmp_path / "other.csv").write_text("a\n1\n")
    summary = inspect(tmp_path / "ratings.csv", Settings(split_kind="random"))
    assert (summary.items_file.matched, summary.items_file.rated) == (1, 2)
    assert summary.items_file.first_missing == ["rug"]
    assert summary.unused == [str(tmp_path / "other.csv")]


def test_no_file_is_read_where_none_is_wanted(tmp_path):
    (tmp_path / "ratings.csv").write_text("user_id,item_id\na,lamp\n")
    (tmp_path / "items.csv").write_text("no,such,column\n1,2,3\n")
    with pytest.raises(BadInputError, match="data.items=none"):
        inspect(tmp_path / "ratings.csv", Settings(split_kind="random"))
    settings = Settings(split_kind="random", items="none")
    assert inspect(tmp_path / "ratings.csv", settings).items_file is None


def test_columns_of_a_file_that_there_is_not_are_an_error(tmp_path):
    (tmp_path / "ratings.csv").write_text("user_id,item_id\na,lamp\n")
    settings = Settings(split_kind="random", user_columns={"user_id": "member"})
    with pytest.raises(BadInputError, match="names columns of a file of users"):
        inspect(tmp_path / "ratings.csv", settings)


def test_a_run_shows_at_its_start_how_the_files_will_be_read(tmp_path):
    (tmp_path / "ratings.csv").write_text(RATED)
    (tmp_path / "items.csv").write_text("id;item_id;Title;Preis (€)\n7;1;Heat;2\n")
    (tmp_path / "links.csv").write_text("a\n")
    path = tmp_path / "ratings.csv"
    tables = side_tables_of(str(path), Settings())
    tables = with_first_matches(tables, recognise_ratings(path, Settings()))
    screen = io.StringIO()
    with RunView(open_console(screen, width=1000), live=False) as view:
        view.side_files(tables)
    items, matches, users, unused = screen.getvalue().splitlines()
    assert items.rstrip() == (
        f"Items     {tmp_path}/items.csv, separated by semicolon; "
        "item_id from 'item_id'; title from 'Title'; item_preis from 'Preis (€)'; "
        "not read: 'id' (another id; 'item_id' is the id)"
    )
    assert matches.strip() == (
        "1 of 3 rated items found in it (33%); are these the same ids "
        "(--item-column item_id=NAME)?; first missing: '2', '3' (in the first 3 "
        "ratings)"
    )
    assert users.rstrip() == "Users     no file found; data.users=PATH names one"
    assert unused.rstrip() == f"Not read  {tmp_path}/links.csv"


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([1, 2, 12345678901], pa.int64()),
        pa.array([1, 2, 12345678901], pa.float64()),
        pa.array([Decimal(n) for n in (1, 2, 12345678901)], pa.decimal128(20, 0)),
        pa.array(["1", " 2 ", "12345678901"]),
        pa.array(["1", "2", "12345678901"]).dictionary_encode(),
    ],
    ids=lambda ids: str(ids.type),
)
def test_ids_of_any_type_match_those_of_the_ratings(tmp_path, ids):
    (tmp_path / "ratings.csv").write_text(
        "user_id,item_id\n1, 1\n2,2\n12345678901,12345678901\n"
    )
    table = pa.table({"item_id": ids, "title": ["a", "b", "c"]})
    pq.write_table(table, tmp_path / "items.parquet", row_group_size=1)
    users = pa.table({"user_id": ids, "age": [1, 2, 3]})
    pq.write_table(users, tmp_path / "users.parquet", row_group_size=2)
    summary = inspect(tmp_path / "ratings.csv", Settings(split_kind="random"))
    assert (summary.items_file.matched, summary.items_file.rated) == (3, 3)
    assert (summary.users_file.matched, summary.users_file.rated) == (3, 3)


def test_columns_that_hold_no_values_are_named_and_not_read(tmp_path):
    (tmp_path / "ratings.csv").write_text("user_id,item_id\na,1\n")
    nested = pa.array([{"x": 1}], pa.struct([("x", pa.int64())]))
    lists = pa.array([[[1]]], pa.list_(pa.list_(pa.int64())))
    table = pa.table({"item_id": [1], "meta": nested, "deep": lists, "tags": [["a"]]})
    pq.write_table(table, tmp_path / "items.parquet")
    found = inspect(tmp_path / "ratings.csv", Settings(split_kind="random")).items_file
    assert [feature.name for feature in found.features] == ["item_tags"]
    assert set(found.unread) == {"meta", "deep"}
