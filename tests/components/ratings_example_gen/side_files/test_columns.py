"""Which column is the id, which the title, and which are features."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen import BadInputError
from components.ratings_example_gen.parts import find_parts
from components.ratings_example_gen.side_files.columns import describe
from components.ratings_example_gen.side_files.names import ITEMS, USERS


@pytest.fixture
def described(tmp_path):
    """Describes a file of items, or of users, with a header."""

    def of(header: str, columns=None, kind=ITEMS):
        path = tmp_path / "things.csv"
        path.write_text(f"{header}\n")
        [part] = find_parts([str(path)])
        return describe(part, kind, columns or {})

    return of


@pytest.mark.parametrize(
    ("header", "columns", "item_id", "title", "features"),
    [
        # The exact name wins over an alias, wherever it is.
        ("id,item_id,title", {}, "item_id", "title", []),
        ("isbn,ItemID,Title,price", {}, "ItemID", "Title", ["item_price"]),
        ("id,name", {}, "id", "name", []),
        ("movie_id,movie_title", {}, "movie_id", "movie_title", []),
        ("item_id,item,price", {}, "item_id", "item", ["item_price"]),
        # The title and other names for it.
        ("item_id,name,title", {}, "item_id", "title", ["item_name"]),
        # What is named is not guessed, and the rest still is.
        ("a,b,title", {"item_id": "b"}, "b", "title", ["item_a"]),
        ("a,b,title", {"item_id": "1"}, "b", "title", ["item_a"]),
        ("item_id,1", {"title": "1"}, "item_id", "1", []),
        ("item_id,a,title", {"title": "a"}, "item_id", "a", ["item_title"]),
        # Names as features have them.
        ("item_id,Main Colour,item_tags", {}, "item_id", None, None),
        (",item_id,title", {}, "item_id", "title", []),
        ("Unnamed: 0,item_id,title", {}, "item_id", "title", []),
    ],
)
def test_columns_of_items(described, header, columns, item_id, title, features):
    table = described(header, columns)
    assert table.headers["item_id"] == item_id
    assert table.headers.get("title") == title
    if features is None:
        features = ["item_main_colour", "item_tags"]
    assert table.features == features
    by_name = dict(table.part.columns)
    assert header.split(",")[by_name["item_id"]] == item_id


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("isbn,asin,title", "'isbn' and 'asin'"),
        ("id,isbn,title", "'id' and 'isbn'"),
        ("item_id,Item ID", "'item_id' and 'Item ID'"),
        ("item_id,movie_title,book_name", "'movie_title' and 'book_name'"),
        ("item_id,Main Colour,main_colour", "'Main Colour' and 'main_colour'"),
        ("name,colour", "has no column recognised as the item's id"),
    ],
)
def test_what_is_ambiguous_is_an_error_that_shows_both(described, header, shown):
    with pytest.raises(BadInputError) as caught:
        described(header)
    assert shown in str(caught.value)
    assert "--item-column item_id=NAME" in str(caught.value)


def test_a_named_column_has_to_be_there(described):
    with pytest.raises(BadInputError, match="no column 'isbn' for item_id"):
        described("item_id,title", {"item_id": "isbn"})
    with pytest.raises(BadInputError, match="one column for both"):
        described("item_id,price", {"title": "item_id"})


def test_columns_that_are_not_read_are_named(described):
    table = described(",id,item_id,isbn,title,price")
    assert table.unread == {
        "": "a saved row number",
        "id": "another id; 'item_id' is the id",
        "isbn": "another id; 'item_id' is the id",
    }


def test_users(described):
    table = described("id,Age,user_city", kind=USERS)
    assert table.headers == {
        "user_id": "id",
        "user_age": "Age",
        "user_city": "user_city",
    }
    with pytest.raises(BadInputError, match="--user-column user_id=NAME"):
        described("age,city", kind=USERS)


def test_recbole_s_types(described):
    header = "item_id:token\tmovie_title:token_seq\tyear:float\tclass:token_seq"
    table = described(header)
    assert table.headers["title"] == "movie_title:token_seq"
    assert table.features == ["item_year", "item_class"]
    assert table.sequences == {"item_class"}  # a title is never split
    # A single name that looks like one is not a type.
    assert described("item_id,a:token").features == ["item_a_token"]


def test_the_index_that_pandas_saves_in_parquet(tmp_path):
    path = tmp_path / "items.parquet"
    table = pa.table({"id": [1], "title": ["Heat"], "__index_level_0__": [7]})
    pq.write_table(table, path)
    [part] = find_parts([str(path)])
    assert describe(part, ITEMS, {}).unread == {
        "__index_level_0__": "a saved row number"
    }


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("items.csv", "the first line (a, b) has no column"),
        ("items.parquet", "the list of columns (a, b) has no column"),
        ("items.jsonl", "the list of keys (a, b) has no column"),
    ],
)
def test_what_names_the_columns_is_named(tmp_path, name, what):
    path = tmp_path / name
    if name.endswith("csv"):
        path.write_text("a,b\n1,2\n")
    elif name.endswith("jsonl"):
        path.write_text('{"a": 1, "b": 2}\n')
    else:
        pq.write_table(pa.table({"a": [1], "b": [2]}), path)
    [part] = find_parts([str(path)])
    with pytest.raises(BadInputError, match=re.escape(what)):
        describe(part, ITEMS, {})
    many = path.with_name("wide.csv")
    many.write_text(",".join(f"c{number}" for number in range(20)) + "\n")
    [part] = find_parts([str(many)])
    with pytest.raises(BadInputError, match=re.escape("c11 and 8 more)")):
        describe(part, ITEMS, {})
