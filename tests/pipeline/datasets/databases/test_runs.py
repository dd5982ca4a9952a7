"""Whole runs on real databases."""

import json

import pytest

from tests.support import databases
from tests.support.command import ROOT, marquee
from tests.support.logs import own_ratings

pytestmark = [pytest.mark.sources, pytest.mark.timeout(900)]

LOG = own_ratings().split()[1:]


def test_a_run_on_a_database_is_repeated_until_its_rows_change(
    account, postgresql, tmp_path
):
    rows = ["('{}', '{}', {}, {})".format(*r.split(",")) for r in LOG]
    postgresql.run(
        "CREATE TABLE events (member TEXT, item_id TEXT, rating INT, timestamp BIGINT)",
        f"INSERT INTO events VALUES {', '.join(rows)}",
        "CREATE TABLE films (item_id TEXT, title TEXT, kind TEXT)",
        "INSERT INTO films SELECT 'i' || n, 'Film ' || n, 'kind ' || n % 2 "
        "FROM generate_series(0, 39) AS n",
    )
    out = tmp_path / "out"

    def run():
        return marquee(
            ROOT,
            *("run", "--data", f"{postgresql.url}#events", "--out", str(out)),
            *("--column", "user_id=member", "--models", "popularity"),
            *("--set", f"data.items={postgresql.url}#SELECT * FROM films"),
        )

    first = run()
    assert {step["state"] for step in first.run["steps"]} == {"done"}, first.text
    data, rows = first.run["data"], first.run["rows"]
    assert (data["source"], rows["read"]) == (f"{postgresql.url}#events", len(LOG))
    counts = {role: read["rows"] for role, read in data["snapshots"].items()}
    assert counts == {"ratings": len(LOG), "items": 40}
    assert (data["items_file"]["rated"], data["items_file"]["matched"]) == (40, 40)
    assert first.run["config"]["data"]["source"] == f"{postgresql.url}#events"
    again = run()
    assert all(step["cached"] for step in again.run["steps"]), again.text

    postgresql.run("INSERT INTO events VALUES ('u0', 'i39', 5, 1700000000)")
    grown = run()
    assert grown.run["rows"]["read"] == len(LOG) + 1
    assert not all(step["cached"] for step in grown.run["steps"])

    secret = databases.PASSWORD.encode()
    found = [path for path in out.rglob("*") if path.is_file()]
    assert not [path for path in found if secret in path.read_bytes()]
    assert databases.PASSWORD not in first.text + json.dumps(first.run)


def test_a_server_that_does_not_answer_fails_the_run(account, postgresql, tmp_path):
    out = tmp_path / "out"
    address = postgresql.url.replace("127.0.0.1", "127.0.0.2") + "#events"
    failed = marquee(ROOT, "run", "--data", address, "--out", str(out))
    assert failed.status == 3, failed.text
    assert "Connection refused" in failed.text
    assert failed.run is None
