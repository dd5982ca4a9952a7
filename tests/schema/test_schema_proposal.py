"""Proposals for a small log that was written by hand."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.anomaly_gate.schema import feature_kinds, rating_range, read_schema
from components.ratings_example_gen import BadInputError, Settings
from components.ratings_example_gen.events import Events
from pipeline.schema_proposal import propose
from trainer_modules.features import Kind

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


def test_quantities_are_proposed_as_numbers_and_constants_to_be_left_out(
    folder, proposed
):
    users = [f"u{n},{n * 1.5},{n % 3},NO" for n in range(30)]
    (folder / "users.csv").write_text("\n".join(["user_id,income,size,land", *users]))
    items = [f"i{n},{n * 7}.5,x,{1990 + n}" for n in range(30)]
    (folder / "items.csv").write_text("\n".join(["item_id,price,kind,year", *items]))
    text, schema = proposed()
    assert feature_kinds(schema) == {
        "user_income": Kind("numeric", 10),
        "item_price": Kind("numeric", 10),
    }
    types = {feature.name: feature.type for feature in schema.feature}
    assert (types["user_size"], types["user_land"]) == (1, 1)  # BYTES
    assert not {"item_kind", "item_year"} & types.keys()
    for line in (
        "user_income is a number: 30 different numbers from 0 to 43.5.",
        "user_size is a category: only 3 different numbers.",
        "item_price is a number: 30 different numbers from 0.5 to 203.5.",
        "item_year is a category: whole numbers of 4 digits, as in years and codes.",
        "user_land: every row has 'NO'.",
        "item_kind: every row has 'x'.",
    ):
        assert f"#   {line}\n" in text
    assert "--set vocabulary.leave_out=[user_land,item_kind]\n" in text


def test_texts_are_proposed_as_texts(folder, proposed):
    items = [f"i{n},A chair number {n} of wood" for n in range(30)]
    (folder / "items.csv").write_text("\n".join(["item_id,about", *items]))
    text, schema = proposed()
    assert feature_kinds(schema) == {"item_about": Kind("text", 1000)}
    assert "item_about is text: 30 different texts of 6 words on average." in text


def test_dates_are_proposed_as_times(folder, proposed):
    users = [f"u{n},2020-11-{n:02}" for n in range(1, 31)]
    (folder / "users.csv").write_text("\n".join(["user_id,joined", *users]))
    text, schema = proposed()
    assert feature_kinds(schema) == {"user_joined": Kind("time", 10)}
    evidence = (
        "user_joined is a time: 30 different times from 2020-11-01 to 2020-11-30."
    )
    assert evidence in text


def test_vectors_are_proposed_with_their_length(folder, proposed):
    users = [f'u{n},"[{n}.5, -1, 0]"' for n in range(30)]
    (folder / "users.csv").write_text("\n".join(["user_id,taste", *users]))
    covers = pa.array([[n, 0.5] for n in range(30)], pa.list_(pa.float32()))
    items = {"item_id": [f"i{n}" for n in range(30)], "cover": covers}
    pq.write_table(pa.table(items), folder / "items.parquet")
    text, schema = proposed()
    assert feature_kinds(schema) == {
        "user_taste": Kind("vector", 3),
        "item_cover": Kind("vector", 2),
    }
    assert "item_cover is a vector: each row has 2 numbers." in text


def test_weights_of_events_have_any_range_and_types_are_listed(folder):
    (folder / "ratings.csv").write_text(
        "user_id,item_id,event\nann,dune,view\nbob,dune,buy\n"
    )
    events = Events({"view": 0.0, "buy": 4.0}, ("buy",))
    path = folder / "mine.pbtxt"
    path.write_text(propose(folder, Settings(events=events)).text)
    low, high = rating_range(read_schema(path))
    assert low < -1e30  # sums of weights have no known bound
    assert high > 1e30
    names = {feature.name for feature in read_schema(path).feature}
    assert names >= {"event_type", "history_event_type", "rating"}
