"""A run's folder is damaged, or the machine it is on: the next run is well."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NO_WORK = {"LiveModel"}  # is looked up anew in each run
# TensorFlow reserves some 10 GB of addresses that it does not use.
ADDRESSES = 24 << 30
TOO_LARGE = "models.gmf.embedding_dim=50000000"  # 24 GB for 120 users

pytestmark = pytest.mark.reliability


@pytest.fixture
def run(finished, starter, run_arguments):
    """Runs on the finished folder as it was, and returns status and output."""
    log, out = finished
    shutil.rmtree(out)
    shutil.copytree(out.with_name("copy"), out, symlinks=True)
    return lambda *more: starter.run(*run_arguments(log, out), *more)


@pytest.fixture
def last(finished, executions):
    """The newest execution before a test."""
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
    finished, run, last, done, live_files, pattern, damage, step
):
    out = finished[1]
    before = live_files(out)
    [path] = out.glob(f"artifacts/{pattern}")
    damage(path)
    ended = run()
    assert ended.status in (0, 5), ended.text
    assert done(out, last)[step] == 1
    assert {number: live_files(out)[number] for number in before} == before


def test_of_two_runs_at_once_one_is_refused(finished, starter, run_arguments, run):
    log, out = finished
    starter.start(*run_arguments(log, out))
    other = program(*run_arguments(log, out))
    status = starter.wait()
    assert status in (0, 5), starter.text()
    # The first may be over before the second has imported what it needs.
    assert other.returncode == 7, other.stderr
    assert "is working in" in " ".join(other.stderr.split())


def test_a_clock_that_goes_back_changes_nothing(
    finished, run, run_arguments, last, done, live_files
):
    log, out = finished
    if shutil.which("faketime") is None:
        pytest.fail("no faketime: apt-get install faketime (Debian, Ubuntu)")
    before = live_files(out)
    command = ["faketime", "-f", "-400d", sys.executable, "-m", "pipeline"]
    ended = program(*run_arguments(log, out), before=command)
    assert ended.returncode in (0, 5), ended.stderr
    assert set(done(out, last)) <= NO_WORK
    assert live_files(out) == before


def test_a_trainer_out_of_memory_fails_alone(finished, run, run_arguments, live_files):
    log, out = finished
    before = live_files(out)
    limit = ["prlimit", f"--as={ADDRESSES}", sys.executable, "-m", "pipeline"]
    ended = program(*run_arguments(log, out), "--set", TOO_LARGE, before=limit)
    told = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode == 6, told
    assert "Trainer_gmf" in told
    assert "no memory for a tensor with shape[122,50000000]" in told
    assert "report could not be written" not in told
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
