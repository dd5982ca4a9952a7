"""Real runs: data that a gate stopped are never served, nor is a moved folder lost."""

import csv
import shutil
from unittest.mock import Mock

import pandas as pd
import pytest

from components.champion.gate import Gate
from pipeline.config.sections import DataConfig, PipelineConfig, ServingConfig
from pipeline.lineage import LIVE, of
from pipeline.recommend import all_users
from pipeline.recommend.one_user import recommend
from pipeline.runs import execute
from pipeline.runs.status import Status
from tests.support.server import serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
K = 5


def write_log(path, prefix, start):
    """120 users in two camps, each of whom rates 14 of the 20 items of its own."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "rating", "timestamp"])
        for user in range(120):
            for turn in range(14):
                item = 2 * ((user + 3 * turn) % 20) + user % 2
                stars = 5 - (user + turn) % 4
                when = start + 1000 * turn + user
                writer.writerow([f"{prefix}{user}", f"i{item}", stars, when])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two logs: of A's users, and of others in 1973, which is an anomaly."""
    folder = tmp_path_factory.mktemp("accepted")
    write_log(folder / "a.csv", "ann", 1_600_000_000)
    write_log(folder / "b.csv", "bob", 100_000_000)
    return folder


def run(folder, data, run_id, out, **model):
    config = PipelineConfig(
        data=DataConfig(source=str(folder / data)),
        models={"popularity": {}, "mf_als": model},
        gate=Gate(min_users=20),  # of 120, some like their last item
        serving=ServingConfig(max_latency_ms=10_000.0),
        out=str(out),
    )
    return execute.execute(config, run_id, Mock())


def rated_in(path):
    """User -> items, from the file."""
    rated = {}
    for row in csv.DictReader(path.open()):
        rated.setdefault(row["user_id"], set()).add(row["item_id"])
    return rated


def check(folder, out):
    """``recommend``, ``batch`` and a fresh server answer of A's users and items."""
    rated = rated_in(folder / "a.csv")
    answer = recommend(out, "ann7", K, [], why=False)
    found = [item.item_id for item in answer.items]
    assert (answer.known, answer.rated) == (True, 14)
    assert len(found) == K
    assert not set(found) & rated["ann7"]
    assert not recommend(out, "bob7", K, [], why=False).known
    path = folder / "lists.parquet"
    all_users.recommend_to_all(out, path, K)
    lists = pd.read_parquet(path).groupby("user_id").item_id.agg(list)
    assert set(lists.index) == set(rated)
    assert all(not set(lists[user]) & rated[user] for user in rated)
    assert lists["ann7"] == found
    with serving(out) as client:
        told = until(client, f"/v1/recommend/ann7?k={K}", seconds=300).json()
        assert (told["known"], told["rated"]) == (True, 14)
        assert [item["item_id"] for item in told["items"]] == found
        assert not client.get("/v1/recommend/bob7").json()["known"]


def test_only_what_was_accepted_is_served_wherever_the_folder_is(folder):
    out = folder / "out"
    # Names of runs that no clock would give in this order.
    first = run(folder, "a.csv", "20300101-000000", out)
    assert first.run.status == Status.CHANGED, first
    check(folder, out)
    refused = run(folder, "b.csv", "20310101-000000", out)
    assert refused.run.status == Status.ANOMALIES
    check(folder, out)
    cached = run(folder, "a.csv", "20200101-000000", out)
    assert cached.run.status == Status.UNCHANGED
    check(folder, out)

    moved = folder / "moved"
    shutil.copytree(out, folder / "copy", symlinks=True)
    out.rename(moved)
    check(folder, moved)
    assert of(moved, LIVE).data.counts["kept"] == 120 * 14
    again = run(folder, "a.csv", "20200102-000000", moved)
    done = {step.name for step in again.steps if step.state != "cached"}
    assert done <= {"LiveModel"}
    assert again.run.moved_from == str(out)
    assert again.live == first.live
    check(folder, moved)
    # An edited model is judged beside the live one, which every run refused before.
    copy = folder / "copy"
    edited = run(folder, "a.csv", "20200103-000000", copy, embedding_dim=8)
    assert edited.gate.live.model == "mf_als"
    assert edited.gate.live.problem == ""
