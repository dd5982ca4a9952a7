"""Damaged output folders, and limits of the machine: the next run succeeds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.finished_runs import done, executions, live_files
from tests.support.starter import run_arguments

ROOT = Path(__file__).parents[2]
NO_WORK = {"LiveModel"}  # is executed in every run
# TensorFlow reserves about 10 GB of addresses that it does not use.
ADDRESSES = 16 << 30
# Each kernel of the first layer has 8 GiB, and so have its random numbers.
TOO_LARGE = (
    "--models",
    "popularity,gmf,mlp",
    "--set",
    "models.mlp.hidden_units=[65536,65536]",
)

pytestmark = pytest.mark.reliability


@pytest.fixture
def run(finished, starter):
    """Restores the finished folder; returns a function that runs on it."""
    log, out = finished
    shutil.rmtree(out)
    shutil.copytree(out.with_name("copy"), out, symlinks=True)
    return lambda *more: starter.run(*run_arguments(log, out), *more)


@pytest.fixture
def last(finished):
    """Returns the ID of the newest execution before the test."""
    return max(number for number, *_ in executions(finished[1]))


def changed(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("pattern", "damage", "step"),
    [
        ("RatingsExampleGen/examples/*/Split-train/*.gz", cut, "RatingsExampleGen"),
        ("RatingsExampleGen/examples/*", shutil.rmtree, "RatingsExampleGen"),
        ("Transform/transform_graph/*", shutil.rmtree, "Transform"),
        ("Trainer_gmf/model/*/Format-Serving/saved_model.pb", changed, "Trainer_gmf"),
        ("Trainer_gmf/model/*/Format-Serving/variables/*data*", cut, "Trainer_gmf"),
        ("Evaluator_gmf/evaluation/*", shutil.rmtree, "Evaluator_gmf"),
    ],
)
def test_what_a_cached_step_made_is_damaged_and_made_anew(
    finished, run, last, pattern, damage, step
):
    out = finished[1]
    before = live_files(out)
    [path] = out.glob(f"artifacts/{pattern}")
    damage(path)
    ended = run()
    assert ended.status in (0, 5), ended.text
    assert done(out, last)[step] == 1
    assert {number: live_files(out)[number] for number in before} == before


def test_of_two_runs_at_once_one_is_refused(finished, starter, run):
    log, out = finished
    starter.start(*run_arguments(log, out))
    other = program(*run_arguments(log, out))
    status = starter.wait()
    assert status in (0, 5), starter.text()
    # The first may have ended before the second has imported its modules.
    assert other.returncode == 7, other.stderr
    assert "is working in" in " ".join(other.stderr.split())


def test_a_clock_that_goes_back_changes_nothing(finished, run, last):
    log, out = finished
    if shutil.which("faketime") is None:
        pytest.fail("faketime is not installed: apt-get install faketime")
    before = live_files(out)
    command = ["faketime", "-f", "-400d", sys.executable, "-m", "pipeline"]
    ended = program(*run_arguments(log, out), before=command)
    assert ended.returncode in (0, 5), ended.stderr
    assert set(done(out, last)) <= NO_WORK
    assert live_files(out) == before


def test_a_trainer_out_of_memory_fails_alone(finished, run):
    log, out = finished
    before = live_files(out)
    limit = ["prlimit", f"--as={ADDRESSES}", sys.executable, "-m", "pipeline"]
    ended = program(*run_arguments(log, out), *TOO_LARGE, before=limit)
    output = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode == 6, output
    assert "Trainer_mlp" in output
    assert "no memory for a tensor with shape[32768,65536]" in output
    assert "report could not be written" not in output
    assert live_files(out) == before
    again = run()
    assert again.status in (0, 5), again.text


def program(*words, before=(sys.executable, "-m", "pipeline")):
    return subprocess.run(
        [*map(str, before), *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
