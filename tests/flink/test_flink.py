"""The steps over all ratings on a real Flink: the local runner is the oracle."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.flink.cluster import Cluster
from pipeline import exit_codes
from tests.support.data_steps import assert_same_results

pytestmark = [pytest.mark.flink, pytest.mark.timeout(1500)]

# One for each Beam step of a run with mf_als and, as always, popularity.
NUM_JOBS = 5
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


@pytest.mark.parametrize("name", ["flink", "survivor"])
def test_results_are_those_of_the_local_runner(name, local, request):
    out = request.getfixturevalue(name)
    assert_same_results(out, local, 943)


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
