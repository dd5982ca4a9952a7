"""Which files describe items and users, judged by their names alone."""

import pytest

from components.ratings_example_gen import BadInputError
from components.ratings_example_gen.inspection import inspect_path
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.side_files.names import (
    ITEMS,
    USERS,
    find,
    holds_no_ratings,
)


def parts(*names: str) -> list[Part]:
    return [Part(f"folder/{name}") for name in names]


@pytest.mark.parametrize(
    ("name", "items", "users"),
    [
        ("items.csv", True, False),
        ("Items.TSV.gz", True, False),
        ("items.parquet", True, False),
        ("items.jsonl", True, False),
        ("u.item", True, False),
        ("movies.dat", True, False),
        ("BX-Books.csv", True, False),
        ("items_2024.csv", True, False),
        ("item_metadata.csv", True, False),
        ("users.csv", False, True),
        ("users.parquet", False, True),
        ("u.user", False, True),
        ("BX-Users.csv", False, True),
        ("customers.csv", False, True),
        # Logs, though their names speak of items or users.
        ("ratings.csv", False, False),
        ("order_items.csv", False, False),
        ("user_items.csv", False, False),
        ("movie_ratings.csv", False, False),
        ("BX-Book-Ratings.csv", False, False),
        ("item_properties_part1.csv", False, False),
        ("items.xlsx", False, False),
        ("toy.inter", False, False),
    ],
)
def test_names(name, items, users):
    found = [find(kind, parts(name), ()) is not None for kind in (ITEMS, USERS)]
    assert found == [items, users]
    assert holds_no_ratings(f"folder/{name}") == (items or users)


@pytest.mark.parametrize("name", ["tags.csv", "links.csv", "genome-tags.csv"])
def test_what_is_neither_ratings_nor_features(name):
    assert holds_no_ratings(name)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["movies.csv", "items.csv"], "items.csv"),
        (["BX-Books.csv", "movies.csv"], "movies.csv"),
        (["other.item", "toy.item"], "toy.item"),
        (["items.csv", "toy.item"], "toy.item"),
    ],
)
def test_the_closest_name_wins(names, found):
    part = find(ITEMS, parts(*names), parts("toy.inter"))
    assert part is not None
    assert part.name == f"folder/{found}"


def test_names_that_fit_equally_well_are_an_error():
    with pytest.raises(BadInputError) as caught:
        find(ITEMS, parts("items.csv", "items.parquet"), ())
    message = str(caught.value)
    assert "folder/items.csv and folder/items.parquet" in message
    assert "data.items=PATH" in message
    assert "data.items=none" in message


def test_a_file_of_ratings_is_no_file_of_items():
    rated = parts("items.csv")
    assert find(ITEMS, rated, rated) is None


@pytest.mark.parametrize("name", ["watched_movies.csv", "likes_by_user.csv"])
def test_a_log_with_the_name_of_a_side_file_is_not_read_as_one(tmp_path, name):
    (tmp_path / "ratings.csv").write_text("user_id,item_id,rating\nu,1,4\n")
    (tmp_path / name).write_text("user_id,movie_id,rating,timestamp\nu,1,4,5\n")
    for path in (tmp_path, tmp_path / "ratings.csv"):
        found = inspect_path(path)
        assert found.kept == 1
        assert found.items_file is None
        assert found.users_file is None
        assert found.unused == [str(tmp_path / name)]
