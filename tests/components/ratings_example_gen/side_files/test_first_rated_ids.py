"""The first rated ids against the files of items and users, at a bounded cost."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen import Settings, recognise_ratings
from components.ratings_example_gen.side_files import first_rated_ids
from components.ratings_example_gen.side_files.first_rated_ids import FirstMatch
from components.ratings_example_gen.side_files.tables import (
    side_tables_of,
    with_first_matches,
)

USERS = "user_id,age\nann,30\nbob,40\n"


@pytest.fixture
def matches(tmp_path):
    """Writes ratings beside a file of users, and returns the matches."""

    def found(ratings, users=USERS):
        if isinstance(ratings, str):
            path = tmp_path / "ratings.csv"
            path.write_text(ratings)
        else:
            path = tmp_path / "ratings.parquet"
            pq.write_table(ratings, path, row_group_size=2)
        (tmp_path / "users.csv").write_text(users)
        layout = recognise_ratings(path, Settings())
        tables = side_tables_of(str(path), Settings())
        return with_first_matches(tables, layout).first_matches

    return found


def test_what_is_there_and_what_is_missing(matches):
    found = matches("user_id,item_id\nann,i\ncat,i\ndan,i\nann,j\n")
    assert found == {"users": FirstMatch(4, 3, 1, ["cat", "dan"])}


def test_of_parquet_the_first_row_group_counts(matches):
    ids = pa.table({"user_id": ["ann", "bob", "cat"], "item_id": ["i"] * 3})
    assert matches(ids) == {"users": FirstMatch(2, 2, 2, [])}


def test_only_the_first_rows_are_read(matches):
    rows = "ann,i\n" * 400_000  # 2.3 MiB
    found = matches(f"user_id,item_id\n{rows}cat,i\n")["users"]
    assert found.rows < 200_000
    assert (found.rated, found.matched) == (1, 1)


def test_a_large_file_is_not_looked_through(matches, monkeypatch):
    monkeypatch.setattr(first_rated_ids, "_MAX_FILE_BYTES", len(USERS) - 1)
    assert matches("user_id,item_id\nann,i\n") == {}


@pytest.mark.parametrize(
    ("ratings", "users"),
    [
        ("user_id,item_id\nann,i\n", USERS + "cat\n"),  # the run names the row
        ("user_id,item_id\n,i\n", USERS),
    ],
)
def test_where_something_is_wrong_there_is_none(matches, ratings, users):
    assert matches(ratings, users) == {}
