"""A column with types of events: recognised, read, counted and checked."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen import BadInputError, Settings, inspect
from components.ratings_example_gen.events import Events
from components.ratings_example_gen.recognise.reading import WEIGHT

CASE = Path(__file__).parents[2] / "cases" / "events" / "milliseconds_and_types.csv"
ROWS = [line.split(",") for line in CASE.read_text().splitlines()[1:]]
TYPES = Counter(row[2] for row in ROWS)
SHOP = Events({"view": 0.0, "addtocart": 2.0, "transaction": 4.0}, ("transaction",))


def columns(summary):
    return {column.meaning: column.column for column in summary.reading.columns}


def test_types_are_counted_and_named_if_they_are_not_configured():
    summary = inspect(CASE)
    assert summary.event_types == dict(TYPES)
    assert list(summary.event_types) == ["view", "addtocart", "transaction"]
    assert "event_type" not in columns(summary)
    [warning] = summary.reading.warnings
    for text in ("'event'", "'view', 'addtocart', 'transaction'", "events.types"):
        assert text in warning
    assert (summary.rating_min, summary.rating_max) == (1, 1)  # each row counts alike
    assert summary.repeated == len(ROWS) - len({(row[1], row[3]) for row in ROWS})


def test_configured_types_are_ratings():
    summary = inspect(CASE, Settings(events=SHOP))
    assert columns(summary)["event_type"] == "'event'"
    assert columns(summary)["rating"] == WEIGHT
    assert not summary.reading.warnings
    assert (summary.rating_min, summary.rating_max) == (0, 4)
    # Each of the three types is a group of its own.
    assert summary.repeated == len(ROWS) - len({tuple(row[1:4]) for row in ROWS})
    assert not summary.bad_by_kind


def test_a_type_that_is_not_configured_is_a_bad_row():
    types = {name: SHOP.weights[name] for name in ("view", "transaction")}
    summary = inspect(CASE, Settings(events=Events(types, ("transaction",))))
    assert summary.bad_by_kind == {"unknown_event_type": TYPES["addtocart"]}
    assert summary.read == summary.kept + TYPES["addtocart"] == len(ROWS)
    first = next(n for n, row in enumerate(ROWS, start=2) if row[2] == "addtocart")
    assert (
        f":{first}: the event type 'addtocart' is not in events.types"
        in (summary.first_problems[0])
    )


def test_blanks_around_a_type_do_not_count_and_no_type_is_a_bad_row(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,action\nu,a, buy \nu,b,\nv,a,buy\n")
    summary = inspect(path, Settings(events=Events({"buy": 1.0}, ("buy",))))
    assert summary.event_types == {"buy": 2}
    assert summary.bad_by_kind == {"unknown_event_type": 1}
    assert "the event type is empty" in summary.first_problems[0]


@pytest.mark.parametrize("encode", [pa.Array.to_pylist, pa.Array.dictionary_encode])
def test_types_in_parquet(tmp_path, encode):
    types = pa.array(["view", "buy", "view", "buy"])
    table = pa.table(
        {
            "user_id": ["u", "u", "v", "v"],
            "item_id": ["a", "a", "b", "c"],
            "behavior_type": encode(types),
        }
    )
    pq.write_table(table, tmp_path / "log.parquet")
    events = Events({"view": 0.0, "buy": 3.0}, ("buy",))
    for settings in (Settings(), Settings(events=events)):
        summary = inspect(tmp_path, settings)
        assert summary.event_types == {"view": 2, "buy": 2}
    assert (summary.rating_min, summary.rating_max) == (0, 3)


def test_types_in_numbers(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,behavior\nu,a,1\nu,b,4\n")
    summary = inspect(path, Settings(events=Events({"1": 0.0, "4": 2.0}, ("4",))))
    assert summary.event_types == {"1": 1, "4": 1}


def test_a_column_can_be_named_or_declared_as_none(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,kind,event\nu,a,buy,x\nu,b,view,x\n")
    named = inspect(path, Settings(columns={"event_type": "kind"}))
    assert named.event_types == {"buy": 1, "view": 1}
    assert "'kind'" in named.reading.warnings[0]
    none = inspect(path, Settings(columns={"event_type": "none"}))
    assert not none.event_types
    assert not any("events" in warning for warning in none.reading.warnings)


def test_events_without_a_column_are_an_error(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,rating\nu,a,1\n")
    with pytest.raises(BadInputError, match="no column recognised as event_type"):
        inspect(path, Settings(events=SHOP))


def test_a_rating_column_is_not_read_beside_events(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,rating,event\nu,a,bad,view\nu,b,5,addtocart\n")
    summary = inspect(path, Settings(events=SHOP))
    assert (summary.rating_min, summary.rating_max) == (0, 2)
    assert "rating" in summary.reading.unused
    assert not summary.bad_by_kind


def test_late_keys_named_like_types_stay_late_keys(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = [f'{{"user_id": "u", "item_id": "i{n}"}}' for n in range(300)]
    lines.append('{"user_id": "u", "item_id": "z", "event": "buy"}')
    path.write_text("\n".join(lines) + "\n")
    assert inspect(path).late_keys == {"event": 1}
