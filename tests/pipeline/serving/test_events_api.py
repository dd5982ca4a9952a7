"""Events that a real server receives: acknowledged once on disk, and listed at once."""

import datetime
import json
import re
import time

import pytest

from components.live_models import push
from pipeline.event_log.store import EventStore
from pipeline.kept_days import DAY_SECONDS
from tests.support.event_clients import NUM_CLIENTS, send_until_killed
from tests.support.ruled_model import write_data
from tests.support.server import serving, until

pytestmark = pytest.mark.integration


@pytest.fixture
def client(out, tmp_path):
    with serving(out, "--events", str(tmp_path / "spans")) as client:
        until(client, "/v1/recommend/ann")
        yield client


def event(name, user="ann", item="30", **fields):
    return {"event_id": name, "user_id": user, "item_id": item, "rating": 5} | fields


def listed(client, user="ann"):
    answer = client.get(f"/v1/recommend/{user}?k=3").json()
    return [item["item_id"] for item in answer["items"]]


def test_the_next_list_has_the_event(client):
    assert listed(client, "new") == ["30", "29", "28"]
    received = client.post("/v1/events", json=event("new-1", "new", "29"))
    assert received.json() == {
        "accepted": 1,
        "duplicates": 0,
        "unknown_users": 1,
        "unknown_items": 0,
    }
    answer = client.get("/v1/recommend/new?k=3").json()
    assert [item["item_id"] for item in answer["items"]] == ["30", "28", "27"]
    assert (answer["known"], answer["made_of"], answer["rated"]) == (True, "history", 1)
    several = [event("ann-1", item="28"), event("ann-2", item="x"), event("ann-1")]
    received = client.post("/v1/events", json={"events": several}).json()
    assert received["accepted"], received["duplicates"] == (2, 1)
    assert received["unknown_items"] == 1
    assert listed(client) == ["26", "25", "24"]  # rated 30, 29 and 27 before


def test_a_request_may_be_sent_again(client, out):
    events = {"events": [event(f"again-{i}", "cal", str(i)) for i in range(1, 4)]}
    answers = [client.post("/v1/events", json=events).json() for _ in range(3)]
    assert [answer["accepted"] for answer in answers] == [3, 0, 0]
    assert [answer["duplicates"] for answer in answers] == [0, 3, 3]
    text = client.get("/metrics").text
    assert 'marquee_events_total{what="accepted"} 3.0' in text
    assert 'marquee_events_total{what="duplicates"} 6.0' in text


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"", 400, "Malformed"),
        (b"{", 400, "Malformed"),
        (b"[]", 400, "Malformed"),
        (b'{"events": [1]}', 400, "Malformed"),
        (b'{"event_id": "\xff"}', 400, "Malformed"),
        (json.dumps(event("")).encode(), 400, "length"),
        (json.dumps(event("a", "")).encode(), 400, "user_id"),
        (json.dumps(event("a", price=3)).encode(), 400, "price"),
        (json.dumps(event("a", event_type="buy")).encode(), 400, "no types of events"),
        (json.dumps(event("a", timestamp="soon")).encode(), 400, "ISO|seconds UTC"),
        (
            json.dumps({"events": [event("ok"), event("bad", rating=None)]}).encode(),
            400,
            r"event 1 \(bad\).*None of the 2 events",
        ),
        (json.dumps({"events": [event("a")] * 1001}).encode(), 413, "at most 1000"),
    ],
)
def test_a_bad_request_is_refused_whole(shared, body, status, problem):
    before = shared.get("/metrics").text
    answer = shared.post("/v1/events", content=body)
    assert answer.status_code == status
    assert re.search(problem, answer.json()["error"])
    accepted = [line for line in before.splitlines() if '"accepted"' in line]
    after = shared.get("/metrics").text.splitlines()
    assert [line for line in after if '"accepted"' in line] == accepted


@pytest.fixture(scope="module")
def shared(out, tmp_path_factory):
    spans = tmp_path_factory.mktemp("spans")
    with serving(out, "--events", str(spans)) as client:
        until(client, "/v1/recommend/ann")
        yield client


def test_yesterday_becomes_a_span(tmp_path, ruled, rated):
    out = tmp_path / "out"  # other servers write the spans of the usual one
    write_data(out, rated, 9)
    push.push(ruled[1], out / "live", keep=9)
    day = int(time.time() // DAY_SECONDS) - 1
    date = datetime.date.fromtimestamp(day * DAY_SECONDS).isoformat()
    with serving(out, "--events", str(tmp_path / "first")) as client:
        until(client, "/v1/recommend/ann")
        client.post("/v1/events", json=event("early", "dan", "é"))
    store = EventStore(out)
    for table in ("event", "day"):
        store._writer.execute(f"UPDATE {table} SET day = ?", (day,))
    store.close()
    with serving(out, "--events", str(tmp_path / "spans")) as client:
        span = tmp_path / "spans" / date
        end = time.monotonic() + 60
        while not (span / "_SUCCESS").exists():
            assert time.monotonic() < end, client.log.read_text()[-2000:]
            time.sleep(0.1)
        rows = [json.loads(line) for line in (span / "events.jsonl").open()]
        [row] = [row for row in rows if row["user_id"] == "dan"]
        assert row.keys() == {"user_id", "item_id", "rating", "timestamp"}
        assert (row["item_id"], row["rating"]) == ("é", 5)


def test_a_server_without_the_option_takes_none(out):
    with serving(out) as client:
        until(client, "/v1/recommend/ann")
        answer = client.post("/v1/events", json=event("x"))
        assert answer.status_code == 404
        assert "--events" in answer.json()["error"]


def test_what_cannot_be_written_is_refused_and_lists_go_on(out, tmp_path):
    with serving(out, "--events", str(tmp_path)) as client:
        until(client, "/v1/recommend/ann")
        store = EventStore(out)
        # Another process holds the store for longer than a request waits.
        store._writer.execute("BEGIN IMMEDIATE")
        answer = client.post("/v1/events", json=event("waits", "eve", "30"))
        assert answer.status_code == 503
        assert "send them again" in answer.json()["error"]
        assert client.get("/v1/recommend/eve?k=1").status_code == 200
        store._writer.execute("ROLLBACK")
        assert client.post("/v1/events", json=event("waits", "eve", "30")).json()[
            "accepted"
        ]
        assert "marquee_event_failures_total 1.0" in client.get("/metrics").text
        assert "database is locked" in client.log.read_text()
        # Nor can events be read any more.
        store._writer.execute("ALTER TABLE event RENAME TO lost")
        assert client.get("/v1/recommend/eve?k=1").status_code == 200
        assert "events cannot be read" in client.log.read_text()
        store._writer.execute("ALTER TABLE lost RENAME TO event")  # for other tests
        store.close()


def test_no_acknowledged_event_is_lost_or_counted_twice(out, tmp_path):
    """More kills, and days that end meanwhile, are in the reliability tests."""
    acknowledged = []
    for kill in range(3):
        with serving(out, "--events", str(tmp_path)) as client:
            until(client, "/v1/recommend/ann")
            acknowledged += send_until_killed(client, f"kill-{kill}", 0.3 + 0.2 * kill)
    store = EventStore(out)
    kept = [row.event_id for row in store.of("killed", ())]
    store.close()
    assert len(acknowledged) > 30
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept)) <= len(acknowledged) + 3 * NUM_CLIENTS
