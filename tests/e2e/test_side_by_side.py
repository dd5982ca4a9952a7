"""Steps that run at once have the results of steps that run one after the other."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

from pipeline.datasets.sample import write_sample
from tests.support.command import environment, marquee

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
MODELS = ("popularity", "mf_als", "neumf", "deepfm", "attrec")
MODEL_STEPS = [f"{step}_{name}" for step in ("Trainer", "Evaluator") for name in MODELS]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The sample with the ratings of every eighth user, some ten thousand."""
    folder = tmp_path_factory.mktemp("data")
    write_sample(folder)
    ratings = folder / "ratings.dat"
    rows = ratings.read_text().splitlines(keepends=True)
    ratings.write_text("".join(r for r in rows if int(r.split("::")[0]) % 8 == 0))
    return folder


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """The same run on two empty folders: one after the other, and three at once."""

    def run(jobs):
        out = tmp_path_factory.mktemp(f"jobs-{jobs}")
        epochs = [
            argument
            for name in ("neumf", "deepfm", "attrec")
            for argument in ("--set", f"models.{name}.epochs=2")
        ]
        result = marquee(
            ROOT,
            *("run", "--data", str(data), "--models", ",".join(MODELS), *epochs),
            *("--set", "gate.min_users=20", "--jobs", str(jobs), "--out", str(out)),
            env=environment(ROOT),  # so that processes differ in their hashes
        )
        assert result.status == 0, result.text
        return SimpleNamespace(out=out, text=result.text, run=result.run)

    return SimpleNamespace(alone=run(1), at_once=run(3))


def files(run, pattern):
    """The contents of outputs by their paths, without the numbers of executions."""
    found = {
        re.sub(r"/\d+/", "/N/", str(path.relative_to(run.out))): path.read_bytes()
        for path in run.out.glob(f"artifacts/{pattern}")
        if path.is_file()
    }
    assert found
    return found


def variables(run, name):
    """The exported variables of a model by name, as bytes."""
    [folder] = run.out.glob(f"artifacts/Trainer_{name}/model/*/Format-Serving")
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    return {
        key: tf.convert_to_tensor(reader.get_tensor(key)).numpy().tobytes()
        for key in reader.get_variable_to_shape_map()
        if key != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


def test_examples_are_equal_byte_for_byte(runs):
    pattern = "RatingsExampleGen/examples/*/Split-*/*"
    assert files(runs.alone, pattern) == files(runs.at_once, pattern)


def test_vocabularies_are_equal(runs):
    pattern = "Transform/transform_graph/*/transform_fn/assets/*"
    assert files(runs.alone, pattern) == files(runs.at_once, pattern)


@pytest.mark.parametrize("name", MODELS)
def test_exported_variables_are_equal_bit_for_bit(runs, name):
    ours, theirs = variables(runs.alone, name), variables(runs.at_once, name)
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if ours[key] != theirs[key]] == []


@pytest.mark.parametrize("name", MODELS)
def test_metrics_are_equal(runs, name):
    metrics = [
        next(model["metrics"] for model in run.run["models"] if model["name"] == name)
        for run in (runs.alone, runs.at_once)
    ]
    assert metrics[0] == metrics[1]


def test_steps_are_recorded_in_the_same_order(runs):
    names = [step["name"] for step in runs.at_once.run["steps"]]
    assert names == [step["name"] for step in runs.alone.run["steps"]]
    assert set(names) >= set(MODEL_STEPS)


def test_the_number_of_steps_at_once_is_shown(runs):
    assert "Steps that may run at once: 3 (" in runs.at_once.text
    assert "Steps that may run at once: 1 (" in runs.alone.text


def test_only_steps_at_once_are_named_in_the_log(runs):
    logs = [
        Path(run.run["run"]["log"]).read_text().splitlines()
        for run in (runs.alone, runs.at_once)
    ]
    named = [[line for line in log if re.match(r"\[\w+\] ", line)] for log in logs]
    assert not named[0]
    assert {re.match(r"\[(\w+)\]", line)[1] for line in named[1]} >= {*MODEL_STEPS}
