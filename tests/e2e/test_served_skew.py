"""A client that sends ratings in another unit is found before the next retraining."""

import pytest

from tests.support.command import environment, marquee
from tests.support.logs import write_span
from tests.support.server import ROOT, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
USERS = [f"u{number}" for number in range(150)]
ENOUGH = ("--set", "retrain.min_served_users=100")


def retrain(folder, *more):
    return marquee(
        ROOT,
        *("retrain", "--data", str(folder / "spans"), "--out", str(folder / "out")),
        *("--models", "popularity,mf_als", "--set", "models.mf_als.embedding_dim=8"),
        *("--set", "gate.min_users=20", "--set", "serving.max_latency_ms=10000"),
        *ENOUGH,
        *more,
        env=environment(ROOT),  # a process that is spawned needs a main module
    )


def test_ratings_in_another_unit_stop_the_next_retraining(tmp_path):
    out = tmp_path / "out"
    for day in range(2):
        write_span(tmp_path / "spans", day)
    first = retrain(tmp_path, "--set", "retrain.served_skew=stop")  # nothing is served
    assert first.status == 0, first.text
    with serving(
        out, "--events", str(tmp_path / "events"), "--log-lists", "1"
    ) as client:
        until(client, "/v1/recommend/u1")
        for user in USERS:
            assert client.get(f"/v1/recommend/{user}").json()["rated"]
    before = marquee(ROOT, "skew", "--out", str(out), *ENOUGH)
    assert before.status == 0, before.text
    with serving(
        out, "--events", str(tmp_path / "events"), "--log-lists", "1"
    ) as client:
        until(client, "/v1/recommend/u1")
        for user in USERS:
            events = [
                {"event_id": f"{user}-{item}", "user_id": user, "item_id": f"i{item}"}
                | {"rating": 0.5 + 0.1 * (item % 6)}  # from 0 to 1, not from 1 to 5
                for item in range(20)
            ]
            answer = client.post("/v1/events", json={"events": events})
            assert answer.json()["accepted"] == 20, answer.text
            client.get(f"/v1/recommend/{user}")
    after = marquee(ROOT, "skew", "--out", str(out), *ENOUGH)
    assert after.status == 4, after.text
    assert "Alert: skew of history_rating" in after.text
    write_span(tmp_path / "spans", 2)
    runs = len(list((out / "runs").iterdir()))
    stopped = retrain(tmp_path, "--set", "retrain.served_skew=stop")
    assert stopped.status == 4, stopped.text
    assert "served features of version 1 (mf_als)" in stopped.text
    assert "history_rating" in stopped.text
    assert "retrain.served_skew=warn" in stopped.text
    assert len(list((out / "runs").iterdir())) == runs
    warned = retrain(tmp_path)
    assert warned.status in (0, 5), warned.text
    assert "Warning: served features of version 1 (mf_als)" in warned.text
    assert len(list((out / "runs").iterdir())) == runs + 1
