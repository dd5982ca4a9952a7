"""The steps over all ratings on a real Flink: the local runner is the oracle."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv

from benchmarks.flink.cluster import Cluster
from pipeline import exit_codes

pytestmark = [pytest.mark.flink, pytest.mark.timeout(1500)]

SPLITS = ("train", "eval", "test")
# One for each Beam step of a run with mf_als and, as always, popularity.
NUM_JOBS = 5
VOCABULARIES = "Transform/transform_graph/*/transform_fn/assets/*"
TRANSFORM = 2  # the jobs' order: ExampleGen, StatisticsGen, Transform, Evaluators


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("flink")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def start(movielens_dir):
    """Starts ``marquee`` with some arguments, in a process of its own."""

    def start_process(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", *map(str, arguments)],
            env={**os.environ, "MARQUEE_DATA_DIR": str(movielens_dir)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start_process


@pytest.fixture(scope="module")
def start_run(start, tmp_path_factory):
    def start_process(name, *arguments):
        out = tmp_path_factory.mktemp(name)
        return out, start(
            *("run", "--data", "ml-100k", "--models", "mf_als", "--out", out),
            *arguments,
        )

    return start_process


@pytest.fixture(scope="module")
def on_flink(cluster):
    """The settings that take a run to the cluster."""
    settings = {
        "runner": "flink",
        "endpoint": cluster.endpoint,
        "workers": cluster.workers,
    }
    return [x for k, v in settings.items() for x in ("--set", f"beam.{k}={v}")]


@pytest.fixture(scope="module")
def local(start_run):
    return finished(*start_run("local"))


@pytest.fixture(scope="module")
def flink(start_run, cluster, on_flink):
    before = len(cluster.jobs())
    out = finished(*start_run("flink", *on_flink))
    states = [job["state"] for job in cluster.jobs()[before:]]
    assert states == ["FINISHED"] * NUM_JOBS
    return out


@pytest.fixture(scope="module")
def survivor(start_run, cluster, on_flink):
    """A run that lost a TaskManager in the middle of Transform, and got another."""
    before = len(cluster.jobs())
    out, process = start_run("survivor", *on_flink)
    end = time.monotonic() + 600
    while not is_at_work(cluster, before + TRANSFORM):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, "Transform never came to Flink"
        time.sleep(0.2)
    cluster.kill_task_manager(0)
    cluster.start_task_manager(0)
    finished(out, process)
    assert cluster.was_restarted(cluster.jobs()[before + TRANSFORM]["jid"])
    return out


def is_at_work(cluster, number):
    """Whether this job is there, and a task of it has come to its end."""
    jobs = cluster.jobs()
    return len(jobs) > number and jobs[number]["tasks"]["finished"] > 0


def finished(out, process):
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return out


def examples(out):
    """Split → its records, as a set."""
    return {
        split: {
            record.numpy()
            for path in out.glob(f"artifacts/RatingsExampleGen/examples/*/*-{split}/*")
            for record in tf.data.TFRecordDataset(str(path), "GZIP")
        }
        for split in SPLITS
    }


def vocabularies(out):
    return {
        path.name: path.read_bytes() for path in out.glob(f"artifacts/{VOCABULARIES}")
    }


def statistics(out, split):
    [path] = out.glob(f"artifacts/StatisticsGen/statistics/*/*-{split}/*.pb")
    found = tfdv.load_stats_binary(str(path)).datasets[0]
    return found.num_examples, {
        feature.path.step[0]: feature.num_stats.mean or feature.string_stats.unique
        for feature in found.features
    }


def metrics(out):
    [run] = out.glob("runs/*/run.json")
    return {m["name"]: m["metrics"] for m in json.loads(run.read_text())["models"]}


@pytest.mark.parametrize("name", ["flink", "survivor"])
def test_results_are_those_of_the_local_runner(name, local, request):
    out = request.getfixturevalue(name)
    assert all(len(records) == 943 for records in examples(local).values())
    assert examples(out) == examples(local)
    assert len(vocabularies(local)) >= 2
    assert vocabularies(out) == vocabularies(local)
    for split in SPLITS:
        count, features = statistics(out, split)
        expected_count, expected = statistics(local, split)
        assert count == expected_count == 943
        assert features == pytest.approx(expected, rel=1e-6)
    for model, expected in metrics(local).items():
        assert metrics(out)[model] == pytest.approx(expected, abs=1e-6), model


def test_lists_for_all_users_are_made_on_the_cluster(cluster, flink, start, tmp_path):
    before = len(cluster.jobs())
    path = tmp_path / "lists.parquet"
    finished(path, start("batch", "--runs", flink, "--out", path))
    assert [job["state"] for job in cluster.jobs()[before:]] == ["FINISHED"]
    assert len(set(pq.read_table(path)["user_id"].to_pylist())) == 943


def test_without_a_job_server_the_run_says_so(start_run):
    out, process = start_run(
        *("nobody", "--set", "beam.runner=flink", "--set", "beam.endpoint=localhost:1")
    )
    output, _ = process.communicate()
    assert process.returncode == exit_codes.CONFIG
    assert "no job server answers at localhost:1" in " ".join(output.split())
    assert not list(Path(out).glob("live/*"))
