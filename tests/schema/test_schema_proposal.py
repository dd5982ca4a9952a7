"""Proposals for a small log that was written by hand."""

import pytest

from components.anomaly_gate.schema import rating_range, read_schema
from components.ratings_example_gen import BadInputError, Settings
from pipeline.schema_proposal import propose

RATINGS = """\
user_id,item_id,rating,timestamp
ann,dune,10,978300760
ann,emma,1.5,978300761
bob,dune,7,978300762
"""
USERS = """\
user_id,country,age
ann,NO,30
bob,SE,40
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ratings.csv").write_text(RATINGS)
    return tmp_path


@pytest.fixture
def proposed(folder):
    """Returns the text and the schema that is read back from it."""

    def _proposed():
        text = propose(folder, Settings()).text
        path = folder / "mine.pbtxt"
        path.write_text(text)
        return text, read_schema(path)

    return _proposed


def test_range_is_that_of_the_ratings(proposed):
    text, schema = proposed()
    assert rating_range(schema) == (1.5, 10)
    [history] = [f for f in schema.feature if f.name == "history_rating"]
    assert (history.float_domain.min, history.float_domain.max) == (1.5, 10)
    assert "1.5 to 10" in text


def test_side_features_are_those_of_the_users_file(folder, proposed):
    (folder / "users.csv").write_text(USERS)
    text, schema = proposed()
    names = [feature.name for feature in schema.feature]
    assert names == [
        "user_id",
        "item_id",
        "rating",
        "timestamp",
        "history_item_id",
        "history_rating",
        "history_timestamp",
        "user_age",
        "user_country",
    ]
    assert "user_age, user_country" in text


def test_without_a_users_file_there_are_none(proposed):
    text, schema = proposed()
    assert [f.name for f in schema.feature if f.name.startswith("user_")] == ["user_id"]
    assert "none were found" in text


def test_lists_stay_ragged(proposed):
    assert proposed()[1].represent_variable_length_as_ragged


def test_columns_are_passed_on(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("who,what,stars\nann,dune,4\nbob,emma,2\n")
    columns = {"user_id": "who", "item_id": "what", "rating": "stars"}
    text = propose(path, Settings(columns=columns)).text
    assert "rating and history_rating: these ratings range from 2 to 4" in text


def test_ratings_that_cannot_be_read_are_an_error(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,rating\nann,dune,good\n")
    with pytest.raises(BadInputError, match="marquee data .*log.csv"):
        propose(path, Settings())


def test_bad_rows_are_named_and_not_counted(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,item_id,rating\nu,i,4\nv,i,oops\nw,i,2\n")
    lines = propose(path, Settings()).text.splitlines()
    assert lines[0] == f"# Proposed from 2 ratings of 2 users in {path}."
    assert lines[1] == (
        f"# 1 bad row was left out. To see them, run: marquee data {path}"
    )
