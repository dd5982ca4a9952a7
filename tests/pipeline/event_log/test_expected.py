"""No accepted event is a bad row for the reader of ``retrain``."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from components.ratings_example_gen import Settings, inspect
from components.ratings_example_gen.events import Events
from pipeline.event_log.expected import Event, EventError, Expected
from tests.support.expected_events import expected_of

NOW = 1_800_000_000
SHOP = Events({"view": 0.0, "buy": 4.0, "skip": -1.0}, ("buy",))
STARS = "userId,Film ID,stars,when\n1,7,4,1700000000\n2,8,3.5,1700000001\n"
LOG = "user,item,action,time\n1,7,view,1700000000\n2,8,buy,1700000001\n"
PAIRS = "user_id\titem_id\n1\t7\n2\t8\n"
NO_HEADER = "1,7,4,1700000000\n2,8,3.5,1700000001\n"
KINDS = {
    "stars": (
        STARS,
        Settings(
            columns={"item_id": "Film ID", "timestamp": "when", "rating": "stars"},
            rating_min=0.5,
            rating_max=5,
        ),
    ),
    "events": (LOG, Settings(events=SHOP)),
    "pairs": (PAIRS, Settings(split_kind="random")),
    "no header": (NO_HEADER, Settings()),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def expected(kind, tmp_path):
    text, given_settings = KINDS[kind]
    (tmp_path / "data.csv").write_text(text)
    return expected_of(tmp_path / "data.csv", given_settings, tmp_path / "examples")


def event(**fields):
    return Event(**{"event_id": "e", "user_id": "u", "item_id": "i"} | fields)


def test_columns_are_those_of_the_data(kind, expected):
    assert (
        expected.columns
        == {
            "stars": {
                "user_id": "userId",
                "item_id": "Film ID",
                "rating": "stars",
                "timestamp": "when",
            },
            "events": {
                "user_id": "user",
                "item_id": "item",
                "event_type": "action",
                "timestamp": "time",
            },
            "pairs": {"user_id": "user_id", "item_id": "item_id"},
            "no header": {
                name: name for name in ("user_id", "item_id", "rating", "timestamp")
            },
        }[kind]
    )


def test_ratings_are_those_of_the_data(kind, expected):
    own = {"stars": {"rating": 4.5}, "events": {"event_type": "buy"}}
    own["no header"] = own["stars"]
    rating = {"stars": 4.5, "events": 4, "pairs": 1, "no header": 4.5}[kind]
    row = expected.row(event(**own.get(kind, {})), NOW)
    assert (row.rating, row.timestamp) == (rating, NOW)
    for other in ({"rating": 3.0}, {"event_type": "buy"}, {}):
        if other.keys() != own.get(kind, {}).keys():
            with pytest.raises(EventError, match=r"rating|event_type"):
                expected.row(event(**other), NOW)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"rating": 0.0}, "from 0.5 to 5"),
        ({"rating": float("nan")}, "from 0.5 to 5"),
        ({"user_id": " u"}, "blanks"),
        ({"item_id": "NULL"}, "missing value"),
        ({"item_id": "a\0b"}, "NUL"),
        ({"item_id": "\ud800"}, "surrogate"),
        ({"timestamp": NOW + 301}, "301 s in the future"),
        ({"timestamp": NOW * 1000}, "not milliseconds"),
        ({"timestamp": 1}, "from 1990 to 2100"),
        ({"timestamp": "yesterday"}, "expected seconds UTC"),
    ],
)
def test_what_the_reader_would_refuse_is_refused(tmp_path, fields, problem):
    (tmp_path / "data.csv").write_text(STARS)
    stars = expected_of(tmp_path / "data.csv", KINDS["stars"][1], tmp_path)
    with pytest.raises(EventError, match=problem):
        stars.row(event(**{"rating": 3.0} | fields), NOW)


def test_times_are_seconds_or_iso_8601(tmp_path):
    expected = Expected.of(tmp_path, {})  # a layout that needs no reading
    given_times = [NOW + 300, "2026-11-20T12:30+01:00", "2026-11-20T11:30Z"]
    rows = [
        expected.row(event(rating=1.0, timestamp=time), NOW) for time in given_times
    ]
    assert [row.timestamp for row in rows] == [NOW + 300, 1795174200, 1795174200]


@pytest.mark.parametrize(
    ("spans", "days"),
    [
        ((), set()),
        (("2026-11-18", "2026-11-20"), {20775, 20777}),
        (("17", "18"), set()),
    ],
)
def test_events_in_spans_of_the_data_are_known(tmp_path, spans, days):
    assert Expected.of(tmp_path, {"spans": spans}).days == days


IDS = st.text(min_size=1, max_size=20) | st.sampled_from(
    ["NULL", "NA", "nan", "1.0", "007", '"a"', "a,b", "\ufeff", "\u2028", "\\N", "-"]
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(pairs=st.lists(st.tuples(IDS, IDS), min_size=1, max_size=8, unique=True))
def test_rows_are_read_as_they_were_accepted(tmp_path, pairs):
    (tmp_path / "data.csv").write_text(STARS)
    expected = expected_of(tmp_path / "data.csv", KINDS["stars"][1], tmp_path)
    rows = []
    for user, item in pairs:
        try:
            row = event(user_id=user, item_id=item, rating=2.0)
            rows.append(expected.row(row, NOW))
        except EventError:
            continue
    if not rows:
        return
    span = tmp_path / "span"
    span.mkdir(exist_ok=True)
    lines = [json.dumps(expected.written(row), ensure_ascii=False) for row in rows]
    (span / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    read = inspect(span, KINDS["stars"][1])
    assert not read.bad_by_kind
    assert read.kept == len(rows)
    assert read.users == len({row.user_id for row in rows})
    assert read.items == len({row.item_id for row in rows})
