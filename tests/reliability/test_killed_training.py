"""A Trainer that is killed goes on, and exports the weights of one that was not."""

import json
import random
import re
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.support.logs import write_log
from tests.support.starter import run_arguments
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(7200)]

KILLS = 20
# What the run prints, and the most seconds from then on until it is killed. Most kills
# come after the first epoch: before, a Trainer reads data and builds its graph.
MOMENTS = [("Trainer_gmf started", 10), ("gmf: epoch", 3), ("gmf: epoch", 3)]
SETTINGS = ("models.gmf.epochs=200", "models.gmf.patience=200")
GOES_ON = re.compile(r"goes on from a checkpoint, after (\d+) of \d+ steps")
ENDED = re.compile(r"Trainer_gmf (done|from cache)")


def test_killed_trainings_end_with_the_same_weights(tmp_path, starter):
    chance = random.Random(20261130)
    kills = resumed = chains = 0
    while kills < KILLS:
        log = tmp_path / f"log-{chains}.csv"
        write_log(log, shift=chains)
        expected = exported(starter, log, tmp_path / f"whole-{chains}")
        out = tmp_path / f"out-{chains}"
        steps_done = 0
        while True:
            starter.start(*arguments(log, out))
            moment, seconds = chance.choice(MOMENTS)
            wait_until(happened(moment, starter), 600)
            time.sleep(chance.uniform(0, seconds))
            assert starter.kill() in (-9, 0, 5), starter.text()
            is_done = ENDED.search(words(starter))
            kills += not is_done
            found = GOES_ON.search(words(starter))
            if found:
                # Nothing that a checkpoint held is trained again.
                assert int(found[1]) >= steps_done
                steps_done = int(found[1])
                resumed += 1
            print(kills, "kills;", steps_done, "steps were done", flush=True)
            if is_done:
                break
        same(weights(out), expected)
        assert not list(out.rglob("checkpoints-*"))
        chains += 1
    assert resumed >= KILLS // 3
    print(json.dumps({"kills": kills, "resumed": resumed, "trainings": chains}))


def arguments(log, out):
    more = [word for setting in SETTINGS for word in ("--set", setting)]
    return [*run_arguments(log, out), *more, "--set", "train.checkpoint_every=1s"]


def happened(moment, starter):
    """Returns what is true from the moment on, or if it cannot come any more."""
    return lambda: moment in words(starter) or ENDED.search(words(starter))


def words(starter):
    return " ".join(starter.text().split())


def exported(starter, log, out):
    ended = starter.run(*arguments(log, out))
    assert ended.status in (0, 5), ended.text
    assert "goes on from a checkpoint" not in ended.text
    return weights(out)


def weights(out):
    # An attempt that was killed may have left half of an export, under a lower number.
    models = out.glob("artifacts/Trainer_gmf/model/*/Format-Serving")
    model = max(models, key=lambda folder: int(folder.parent.name))
    reader = tf.train.load_checkpoint(str(model / "variables" / "variables"))
    names = reader.get_variable_to_shape_map().keys() - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: reader.get_tensor(name) for name in names}


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
