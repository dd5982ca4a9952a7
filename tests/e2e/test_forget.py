"""A user and an item are forgotten: afterwards no file and no answer has their IDs."""

import hashlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen.spans import find_spans, fingerprint
from pipeline.retraining.spans import TakenIn
from tests.support.byte_search import places
from tests.support.command import marquee
from tests.support.logs import write_span
from tests.support.server import serving, until, until_served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

ROOT = Path(__file__).parents[2]
USER, ITEM = "user-zebra-7731", "item-okapi-4402"
MIDNIGHT = 1_794_700_800  # of the first span


def write_data(spans):
    """Two spans; the first row, and so the example of each column, is the user's."""
    own = [f"{USER},i{7 * n},{4 + n % 2},{MIDNIGHT + n}" for n in range(6)]
    others = [f"u{n},{ITEM},5,{MIDNIGHT + 100 + n}" for n in range(12)]
    for day in range(2):
        write_span(spans, day, rows=others if day else ())
        path = spans / ("2026-11-15" if not day else "2026-11-16") / "ratings.csv"
        header, rest = path.read_text().split("\n", 1)
        path.write_text("\n".join([header, *own, rest]))
    with (spans / "2026-11-16" / "ratings.csv").open("a") as file:
        file.write(f"{USER},i3,not a number,{MIDNIGHT}\n")
    users = [f"u{n},{'FM'[n % 2]}" for n in range(150)]
    items = [f"i{n},Title {n}" for n in range(60)]
    text = "\n".join(["user_id,gender", *users, f"{USER},F", ""])
    (spans / "users.csv").write_text(text)
    text = "\n".join(["item_id,title", *items, f"{ITEM},Okapi", ""])
    (spans / "items.csv").write_text(text)


def retrain(world, *more):
    return marquee(
        ROOT,
        *("retrain", "--data", str(world.spans), "--out", str(world.out)),
        *("--models", "popularity,mf_als", "--set", "models.mf_als.embedding_dim=8"),
        *("--set", "data.max_bad_fraction=0.01", "--set", "gate.min_users=20"),
        *("--set", "serving.max_latency_ms=10000"),
        *more,
    )


def forget(world, *options):
    ended = marquee(ROOT, "forget", "--out", str(world.out), *options)
    ended.text = " ".join(ended.text.split())
    return ended


def state(folder):
    """The bytes of all files, except those that readers and the server write."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal", ".lock", "r.log"))
    }


def batch(world):
    path = world.folder / "lists.parquet"
    ended = marquee(ROOT, "batch", "--runs", str(world.out), "--out", str(path))
    assert ended.status == 0, ended.text
    return set(pq.read_table(path)["user_id"].to_pylist())


def kinds(found):
    """Places in words: the step of an artifact, a version, or the file."""
    return {
        path.split("/")[2]
        if path.startswith("out/artifacts/")
        else "version"
        if path.startswith("out/live/")
        else path.rsplit("/")[-1]
        for path in found
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forget")
    world = SimpleNamespace(folder=folder, spans=folder / "spans", out=folder / "out")
    write_data(world.spans)
    (folder / "bad.csv").write_text(
        f"user_id,item_id,rating,timestamp\n{USER},i1,5,1600000000\n{USER},i1,x,1\n"
    )
    failed = marquee(
        ROOT, "run", "--data", str(folder / "bad.csv"), "--out", str(world.out)
    )
    assert failed.status == 3, failed.text
    first = retrain(world)
    assert first.status == 0, first.text
    log = world.out / "schedule.log"  # as `marquee schedule` keeps the output of runs
    log.write_text(f"{failed.text}{first.text}")
    return world


def test_a_user_is_forgotten_while_a_server_runs(world):
    assert USER in batch(world)
    with serving(world.out) as client:
        known = until(client, f"/v1/recommend/{USER}").json()
        assert (known["known"], known["version"]) == (True, 1)

        found = kinds(places(world.folder, USER))
        assert found >= {
            *("RatingsExampleGen", "StatisticsGen", "SpanStatistics", "Transform"),
            *("Trainer_mf_als", "Trainer_popularity", "Champion", "version"),
            *("ratings.csv", "users.csv", "bad.csv", "lists.parquet"),
            *("run.json", "run.log", "report.html", "spans.json", "schedule.log"),
        }
        before = state(world.folder)
        listed = forget(world, "--user", USER)
        assert listed.status == 0, listed.text
        assert "version 1 mf_als, live" in listed.text
        assert "Nothing was changed" in listed.text
        refused = forget(world, "--user", USER, "--apply")
        assert refused.status == 2, refused.text
        assert "bad.csv: 2 rows" in refused.text
        assert state(world.folder) == before

        done = forget(world, "--user", USER, "--apply", "--rewrite-data", "--retrain")
        assert done.status == 0, done.text
        until_served(client, 2)
        answer = until(client, f"/v1/recommend/{USER}").json()
        assert (answer["known"], answer["version"]) == (False, 2)
        assert until(client, "/v1/recommend/u1").json()["known"]

    assert places(world.folder, USER) == {"lists.parquet"}  # a person's own file
    assert USER not in batch(world)
    (world.out / "server.log").unlink()
    assert places(world.folder, USER) == set()
    assert [path.name for path in (world.out / "live").glob("[0-9]*")] == ["2"]
    again = forget(world, "--user", USER, "--apply")
    assert again.status == 0
    assert "Nothing to do" in again.text


def test_spans_are_those_that_were_recorded(world):
    recorded = TakenIn.read(world.out).spans
    found = {span.name: fingerprint(span) for span in find_spans(str(world.spans))}
    assert recorded == found
    again = retrain(world)
    assert again.status == 0, again.text
    assert "Nothing new since run" in again.text


def test_an_item_is_forgotten_and_nothing_is_served(world):
    assert {"CatalogueGen", "RatingsExampleGen", "version", "items.csv"} <= kinds(
        places(world.folder, ITEM)
    )
    with serving(world.out) as client:
        until(client, "/v1/recommend/u1")
        done = forget(world, "--item", ITEM, "--apply")
        assert done.status == 0, done.text
        until(client, "/healthz", 503)
    (world.folder / "lists.parquet").unlink()
    assert places(world.folder, ITEM) == set()
    assert not list((world.out / "live").glob("[0-9]*"))
    assert retrain(world).status == 0
    assert places(world.folder, ITEM) == set()
    rollback = subprocess.run(
        [sys.executable, "-m", "pipeline", "rollback", "2", "--out", world.out],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert rollback.returncode == 2
