"""Which heavy packages the commands that only read may import (issue 21).

Each command runs as a user runs it, in an environment without the packages that would
make it slow to start.
"""

import subprocess
import sys

import pytest

from components.live_models import push
from tests.support.blocked_packages import DATA, ROOT, TRAINING, environment_without
from tests.support.ruled_model import RATED, save_ruled, write_data
from tests.support.run_record import write_record
from tests.support.server import serving, until

TENSORFLOW, STORE = ("tensorflow",), ("google.protobuf", "grpc", "ml_metadata")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Returns the folder of a run whose model is live."""
    out = tmp_path_factory.mktemp("out")
    write_data(out, RATED, 9)
    save_ruled(out / "model", 1)
    push.push(out / "model", out / "live", keep=9)
    write_record(out)
    return out


@pytest.fixture
def run(out, tmp_path):
    """Runs a command without some packages; returns its standard output."""

    def run(without, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments, "--out", str(out)],
            env=environment_without(tmp_path, *without),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("arguments", [["versions"], ["show"], ["show", "--json"]])
def test_results_and_versions_need_neither_data_packages_nor_the_store(run, arguments):
    without = (*TRAINING, *TENSORFLOW, *DATA, *STORE)
    assert ("ruled-1" if "versions" in arguments else "mf_als") in run(
        without, *arguments
    )


def test_a_model_recommends_with_its_session_alone(run):
    assert "Film 28" in run((*TRAINING, "pandas"), "recommend", "--user", "ann")


def test_a_server_and_its_processes_do_without_the_training_stack(out, tmp_path):
    env = environment_without(tmp_path, *TRAINING, "pandas")
    with serving(out, env=env) as client:
        assert until(client, "/v1/recommend/ann").json()["items"]


def test_the_whole_package_can_be_imported_after_its_session():
    """Variables are of version 2, as in a process that imports it first."""
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            "from components import tensorflow_runtime\n"
            "import tensorflow as tf\n"
            "dense = tf.keras.layers.Dense(1)\n"
            "model = tf.keras.Sequential([dense])\n"
            "model.compile('sgd', 'mse')\n"
            "model.fit(tf.ones([4, 2]), tf.ones([4, 1]), verbose=0)\n"
            "assert tf.executing_eagerly()\n"
            "assert tf.errors.OpError is tensorflow_runtime.errors.OpError\n"
            "print(dense.kernel.numpy().shape)",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "(2, 1)\n", done.stderr
