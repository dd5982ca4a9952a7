"""Kills of a server that receives events, at any moment, while days end."""

import json
import os
import random
import time
from pathlib import Path

import pytest

from components.live_models import push
from pipeline.event_log.store import EventStore
from tests.support.event_clients import NUM_CLIENTS, send_until_killed
from tests.support.ruled_model import RATED, save_ruled, write_data
from tests.support.server import serving, until

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(3600)]

KILLS = 52
LIBRARY = "*/faketime/libfaketime.so.1"


def days_later(days):
    """The environment of a process whose clock is some days ahead."""
    found = sorted(Path("/usr/lib").glob(LIBRARY))
    assert found, "faketime is not installed: apt-get install faketime"
    return {
        **os.environ,
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"+{days}d",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def test_every_acknowledged_event_is_in_one_span(tmp_path):
    chance = random.Random(20261130)
    out, spans = tmp_path / "out", tmp_path / "spans"
    save_ruled(tmp_path / "model", 1)
    write_data(out, RATED, 9)
    push.push(tmp_path / "model", out / "live", keep=9)
    acknowledged = []
    for kill in range(KILLS):
        # Each day has two servers; the first of them also writes the day before.
        with serving(out, "--events", str(spans), env=days_later(kill // 2)) as client:
            until(client, "/v1/recommend/ann")
            seconds = chance.uniform(0, 2)
            acknowledged += send_until_killed(client, f"k{kill}", seconds)
    with serving(out, "--events", str(spans), env=days_later(KILLS)) as client:
        until(client, "/v1/recommend/ann")
        until_written(out, client)
    written = [
        json.loads(line)["item_id"]
        for path in spans.glob("*/events.jsonl")
        for line in path.open()
    ]
    assert len(acknowledged) > 10 * KILLS
    assert len(written) == len(set(written))
    assert set(acknowledged) <= set(written)
    assert len(written) <= len(acknowledged) + NUM_CLIENTS * KILLS
    days = [path.parent for path in spans.glob("*/events.jsonl")]
    assert len(days) > KILLS // 4
    assert all((day / "_SUCCESS").exists() for day in days)


def until_written(out, client):
    """Waits until all events are in spans."""
    store = EventStore(out)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if not store.unwritten_days(4e9):
                return
            time.sleep(0.1)
        raise AssertionError(client.log.read_text()[-2000:])
    finally:
        store.close()
