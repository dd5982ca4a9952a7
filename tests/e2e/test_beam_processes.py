"""Data steps in two processes have the results of those in one."""

import gzip
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks.ratings import write_generated
from tests.support.command import environment, marquee
from tests.support.data_steps import assert_same_results
from trainer_modules.inputs import records_of, sorted_by_first_user

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
NUM_USERS = 1_500


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ratings in two files, which are read in two blocks and written in two buckets."""
    folder = tmp_path_factory.mktemp("data") / "ml-generated"
    write_generated(folder, 200_000, NUM_USERS, num_items=800)
    [header, *lines] = (folder / "ratings.csv").read_bytes().splitlines(keepends=True)
    (folder / "ratings.csv").unlink()
    for number, part in enumerate((lines[::2], lines[1::2])):
        # Taken for four times its size, as if it were compressed.
        path = folder / f"ratings-{number}.csv.gz"
        path.write_bytes(gzip.compress(header + b"".join(part), compresslevel=0))
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    def start(*settings):
        out = tmp_path_factory.mktemp("out")
        arguments = [x for setting in settings for x in ("--set", setting)]
        result = marquee(
            ROOT,
            *("run", "--data", str(data), "--models", "popularity,mf_als"),
            *("--set", "models.mf_als.epochs=2", "--out", str(out), *arguments),
            env=environment(ROOT),  # so that processes differ in their hashes
        )
        assert result.run, result.text
        return out

    return start


@pytest.fixture(scope="module")
def alone(run):
    return run()


@pytest.fixture(scope="module")
def halves(run):
    return run("beam.processes=2")


def transformed(out):
    """The transformed training records, in the order in which they are read."""
    files = sorted_by_first_user(
        str(path)
        for path in out.glob("artifacts/Transform/transformed_examples/*/*-train/*")
    )
    records = map(tf.train.Example.FromString, records_of(files).as_numpy_iterator())
    # The order of the fields in the bytes differs between runs.
    return len(files), [r.SerializeToString(deterministic=True) for r in records]


def test_two_processes_have_the_results_of_one(alone, halves):
    assert_same_results(halves, alone, NUM_USERS)
    num_files, records = transformed(alone)
    num_halves, in_halves = transformed(halves)
    assert (num_files, num_halves) == (1, 2)
    assert sorted(in_halves) == sorted(records)


def test_steps_that_run_at_once_have_processes_too(halves, run):
    """With the same examples in the same order, so that models are the same."""
    at_once = run("beam.processes=2", "run.jobs=2")
    assert_same_results(at_once, halves, NUM_USERS)
    assert transformed(at_once) == transformed(halves)
