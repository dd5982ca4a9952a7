"""Versions on trial at a real server: who gets them, and how they end."""

import json
import time

import pytest

from components.live_models import push, trial
from tests.support.command import ROOT, marquee
from tests.support.ruled_model import write_data
from tests.support.server import metric, serving, until, until_served

pytestmark = pytest.mark.integration
USERS = [f"user {number}" for number in range(300)]
SETTINGS = {
    "mode": "canary",
    "share": 0.5,
    "arms": ["old", "new"],
    "slow_ms": 60_000.0,  # whatever else the machine does
}


@pytest.fixture
def begin(tmp_path, ruled, rated):
    """Makes mark 1 live and puts mark 2 on trial; returns the folder of the runs."""

    def begin(window="5s", **settings):
        online = {"attribution_window": window}
        out = tmp_path / "out"
        write_data(out, rated, 9)
        push.push(ruled[1], out / "live", keep=9)
        settings = {"delivery": SETTINGS | settings, "online": online}
        trial.begin(ruled[2], out / "live", 9, 1, settings)
        return out

    return begin


@pytest.fixture
def server(tmp_path):
    def serve(out):
        options = ("--events", str(tmp_path / "spans"), "--log-lists", "1")
        return serving(out, *options)

    return serve


def until_on_trial(client, version=2):
    until(client, "/v1/recommend/ann")
    end = time.monotonic() + 60
    while metric(client, "marquee_version_on_trial") != version:
        assert time.monotonic() < end, client.log.read_text()[-3000:]
        time.sleep(0.1)


def versions_of(client):
    """Returns user → the version that made the user's list."""
    answers = (client.get(f"/v1/recommend/{user}?k=3") for user in USERS)
    return {answer.json()["user"]: answer.json()["version"] for answer in answers}


def follow(client, users):
    """Requests the lists of users, who follow an item at once; returns the versions."""
    versions = {}
    for user in users:
        answer = client.get(f"/v1/recommend/{user}?k=3")
        versions[user] = answer.json()["version"]
        event = {"event_id": f"{user} follows", "user_id": user, "item_id": "30"}
        answer = client.post("/v1/events", json=event | {"rating": 5})
        assert answer.json()["accepted"] == 1
    return versions


def until_step(client, out, to):
    end = time.monotonic() + 60
    while (step := trial.settled(out / "live").transitions[-1]).to != to:
        assert time.monotonic() < end, client.log.read_text()[-3000:]
        time.sleep(0.1)
    assert step.version == 2


def test_users_keep_their_arm_and_a_bad_version_is_withdrawn(begin, server):
    out = begin()
    with server(out) as client:
        until_on_trial(client)
        first = versions_of(client)
        chosen = {user for user, version in first.items() if version == 2}
        assert 110 < len(chosen) < 190  # 300 tosses of a coin; 4.6 deviations
        follow(client, set(USERS) - chosen)  # no list of version 2 is followed
        assert metric(client, "marquee_version_served") == 1
    time.sleep(5.1)  # the window for events
    [log] = (out / "lists").glob("lists-*.parquet")
    damaged = log.with_name("lists-29991231T000000.000000Z-1.parquet")
    damaged.write_bytes(log.read_bytes()[:-100])
    assert damaged.name in marquee(ROOT, "trial", "--out", str(out)).text
    shown = json.loads(marquee(ROOT, "trial", "--json", "--out", str(out)).text)
    assert [str(damaged) in line for line in shown["trial"]["damaged"]] == [True]
    with server(out) as client:  # it has completed the log, and decides at once
        until_step(client, out, "withdrawn")
        assert metric(client, "marquee_trial_damaged_files") == 1
        assert f"do not count for the trial: {damaged}" in client.log.read_text()
        until_on_trial(client, 0)
        assert set(versions_of(client).values()) == {1}
        assert "fewer lists have an event" in client.log.read_text()
    with pytest.raises(push.OvertakenError, match="judged against version 3"):
        trial.begin(out / "live/1", out / "live", 9, 3, SETTINGS)


def test_a_restart_keeps_the_arms_and_an_equal_version_goes_live(begin, server):
    out = begin(max_loss=0.9)
    with server(out) as client:
        until_on_trial(client)
        first = follow(client, USERS)
    time.sleep(5.1)
    shown = marquee(ROOT, "trial", "--out", str(out)).text
    assert "Version 2 is on trial against version 1" in shown
    assert "100.00%" in shown  # of the lists of both arms have an event
    with server(out) as client:
        until_step(client, out, "live")
        until_served(client, 2)
        assert set(versions_of(client).values()) == {2}
    assert set(first.values()) == {1, 2}


def test_the_same_users_after_a_restart(begin, server):
    out = begin(window="1h")
    found = []
    for _ in range(2):
        with server(out) as client:
            until_on_trial(client)
            found.append(versions_of(client))
    assert found[0] == found[1]


def test_a_person_wins(begin, server):
    out = begin(window="1h")
    with server(out) as client:
        until_on_trial(client)
        assert marquee(ROOT, "rollback", "--out", str(out)).status == 0
        until_on_trial(client, 0)
        assert set(versions_of(client).values()) == {1}
        assert trial.promote(out / "live", 2, "too late") is None


def test_a_shadow_is_made_and_not_shown(begin, server):
    out = begin(mode="shadow", shadow_lists=200)
    with server(out) as client:
        until_on_trial(client)
        assert set(versions_of(client).values()) == {1}
        end = time.monotonic() + 30
        while metric(client, "marquee_shadow_agreement_count") < 300:
            assert time.monotonic() < end, client.log.read_text()[-3000:]
        # Both list 30, 29, 28.
        assert metric(client, "marquee_shadow_agreement_sum") == 300
        # A page of the live version's list cannot be continued by the other.
        cursor = client.get("/v1/recommend/ann?k=3").json()["next"]
        again = client.get(f"/v1/recommend/ann?k=3&cursor={cursor}")
        assert again.status_code == 200
    assert "never retrieved" not in client.log.read_text()
    with server(out) as client:
        until_step(client, out, "live")
        until_served(client, 2)


def test_two_servers_of_one_version_each(begin, tmp_path):
    """Two Deployments behind one Service, which takes them in turn."""
    out = begin(max_loss=0.9)
    options = ("--events", str(tmp_path / "spans"), "--log-lists", "1", "--holds")
    with (
        serving(out, *options, "live") as live,
        serving(out, *options, "trial", wait=False) as challenger,
    ):
        until(challenger, "/healthz")
        for client in (live, challenger):
            until(client, "/v1/recommend/ann")
        for number, user in enumerate(USERS):
            client = (live, challenger)[number % 2]
            version = client.get(f"/v1/recommend/{user}?k=3").json()["version"]
            assert version == 1 + number % 2
        follow(live, USERS[:100])
        follow(challenger, USERS[100:])
    time.sleep(5.1)
    with (
        serving(out, *options, "live") as live,
        serving(out, *options, "trial", wait=False) as challenger,
    ):
        until_step(live, out, "live")
        until_served(live, 2)
        until(challenger, "/healthz", 503)
