"""Events that a server received are learned from by the next retraining."""

import datetime
import json
import time
from pathlib import Path

import pytest

from pipeline.event_log.store import EventStore
from pipeline.kept_days import DAY_SECONDS
from pipeline.retraining.spans import TakenIn
from tests.support.command import marquee
from tests.support.logs import write_span
from tests.support.server import serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]


def retrain(folder):
    return marquee(
        ROOT,
        *("retrain", "--data", str(folder / "spans"), "--out", str(folder / "out")),
        *("--models", "popularity,mf_als", "--set", "models.mf_als.embedding_dim=8"),
        *("--set", "gate.min_users=20", "--set", "serving.max_latency_ms=10000"),
    )


def test_a_day_of_events_is_a_span_of_the_next_retraining(tmp_path):
    spans, out = tmp_path / "spans", tmp_path / "out"
    for day in range(2):
        write_span(spans, day)
    first = retrain(tmp_path)
    assert first.status == 0, first.text
    today = int(time.time() // DAY_SECONDS)
    yesterday = datetime.datetime.fromtimestamp(
        (today - 1) * DAY_SECONDS, datetime.UTC
    ).date()
    with serving(out, "--events", str(spans)) as client:
        before = until(client, "/v1/recommend/u1?k=60").json()
        wanted = [item["item_id"] for item in before["items"][:3]]
        events = [
            {"event_id": f"e-{user}-{item}", "user_id": user, "item_id": item}
            | {"rating": 5}
            for user in ("u1", "newcomer")
            for item in wanted
        ]
        answer = client.post("/v1/events", json={"events": events}).json()
        assert answer["accepted"] == 6
        after = client.get("/v1/recommend/u1?k=60").json()
        assert after["rated"] == before["rated"] + 3
    store = EventStore(out)  # as if a day had passed
    for table in ("event", "day"):
        store._writer.execute(f"UPDATE {table} SET day = ?", (today - 1,))
    store.close()
    with serving(out, "--events", str(spans)) as client:
        end = time.monotonic() + 60
        while not (spans / yesterday.isoformat() / "_SUCCESS").exists():
            assert time.monotonic() < end, client.log.read_text()[-2000:]
            time.sleep(0.1)
        second = retrain(tmp_path)
        assert second.status in (0, 5), second.text
        taken_in = TakenIn.read(out).spans
        assert sorted(taken_in) == ["2026-11-15", "2026-11-16", yesterday.isoformat()]
        run = json.loads(max((out / "runs").glob("*/run.json")).read_text())
        assert run["rows"]["read"] == 2 * 1500 + 6
        # The events are now in the data, and each counts once.
        end = time.monotonic() + 60
        while not is_known(client, "newcomer", wanted[0]):
            assert time.monotonic() < end, client.log.read_text()[-2000:]
            time.sleep(0.2)
        again = client.get("/v1/recommend/u1?k=60").json()
        assert again["rated"] == after["rated"]
        assert client.get("/v1/recommend/newcomer").json()["rated"] == 3


def is_known(client, user, rated):
    """Whether the server's data has a user, by the answer to one more event.

    It is of an item that the user has rated, so that the history stays as long.
    """
    event = {"event_id": f"known-{user}", "user_id": user, "item_id": rated}
    answer = client.post("/v1/events", json=event | {"rating": 5}).json()
    return not answer["unknown_users"]
