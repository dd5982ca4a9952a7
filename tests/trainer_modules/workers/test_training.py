"""Two processes train as one does; one that dies or stops does not go unnoticed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from pipeline.config.load import load_config
from pipeline.stages.train_and_push import trainer_config
from pipeline.views.html.training_curves import read_curves
from tests.support.waiting import wait_until
from trainer_modules import run_fn
from trainer_modules.registry import MODELS
from trainer_modules.workers import local, supervisor

pytestmark = pytest.mark.timeout(3600)

GMF = "{epochs: 8, patience: 8, batch_size: 32, learning_rate: 0.0001}"
FITTED = [name for name, spec in MODELS.items() if spec.is_fitted]

# Batches of more than a row, from little data, which two workers share unequally; and
# without dropout, for which each worker draws random numbers of its own.
TRAIN = """
    import dataclasses
    import os
    import sys
    import tempfile
    from pathlib import Path
    import numpy as np
    import tensorflow as tf
    from trainer_modules import devices

    strategy = tf.distribute.get_strategy()
    if "TF_CONFIG" in os.environ:
        strategy = devices.strategy_of_workers(require_gpu=False)
    from tests.support.planted_log import plant
    from trainer_modules import training
    from trainer_modules.registry import MODELS
    from trainer_modules.tasks import task
    from trainer_modules.validation import validation

    out, *names = sys.argv[1:]
    task.MIN_STEPS = 8
    tf.keras.backend.experimental.enable_tf_random_generator()
    with tempfile.TemporaryDirectory() as folder:
        data = plant(Path(folder)).data
        for name in names:
            tf.keras.backend.clear_session()
            tf.keras.utils.set_random_seed(0)
            config = MODELS[name].config_class()
            settings = {field: 0.0 for field in vars(config) if "dropout" in field}
            if name == "mf_sgd":  # whose default is for larger batches
                settings["learning_rate"] = config.learning_rate / 10
            config = dataclasses.replace(
                config, epochs=2, patience=8, batch_size=51, refit=False, **settings)
            with strategy.scope():
                model = MODELS[name].load_class()(config, data.sizes)
            training.fit(model, config, data, seed=0, log_dir=folder, name=name)
            metric = validation(model, config, data).measure()
            np.savez(Path(out, name), metric, *model.get_weights())
"""


@pytest.mark.reliability
def test_two_workers_train_every_model_as_one_process(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(TRAIN))
    addresses = [f"127.0.0.1:{port}" for port in local.free_ports(2)]
    configs = [local.tf_config(addresses, index) for index in (None, 0)]
    folders, variables = [], [{}, *({"TF_CONFIG": config} for config in configs)]
    running = []
    for number, more in enumerate(variables):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        command = [sys.executable, script, folders[-1], *FITTED]
        path = {"PYTHONPATH": str(Path(__file__).parents[3])}
        running.append(subprocess.Popen(command, env=os.environ | path | more))
        if not more:
            assert running[-1].wait() == 0
    assert [process.wait() for process in running] == [0, 0, 0]
    for name in FITTED:
        one, chief, other = (
            [*np.load(folder / f"{name}.npz").values()] for folder in folders
        )
        for a, b, c in zip(one, chief, other, strict=True):
            # Adam amplifies rounding: a noise of 1e-6 in ncf's first weights moves its
            # last ones by 2e-3. If two_tower compares rows with half of the items only,
            # its weights move by 4e-2.
            np.testing.assert_allclose(b, a, atol=5e-3, err_msg=name)
            np.testing.assert_array_equal(b, c, err_msg=name)
        np.testing.assert_allclose(chief[0], one[0], atol=1e-3, err_msg=name)  # metric


@pytest.fixture
def trainer(planted, tmp_path):
    """Runs a Trainer on the checkerboard, and returns its weights and its curves."""
    graph = str(Path(planted.output.transform_savedmodel_dir).parent)
    counts = {"num_items": 25, "num_rated_items": 24, "num_items_before_test": 24}

    def run(name, settings, attempt, **execution):
        config = load_config(None, [f"models.{name}={settings}"])
        step = tmp_path / f"Trainer_{name}"
        fn_args = FnArgs(
            train_files=planted.data.train_files,
            eval_files=planted.data.eval_files,
            transform_graph_path=graph,
            serving_model_dir=str(step / "model" / attempt),
            model_run_dir=str(step / "model_run" / attempt),
            base_model=None,
            hyperparameters=None,
            custom_config=trainer_config(name, config)
            | counts
            | {"catalogue": graph, "checkpoint_seconds": 1, "worker_seconds": 120}
            | execution,
        )
        tf.keras.backend.clear_session()
        run_fn.run_fn(fn_args)
        assert not list(step.rglob("checkpoints-*"))
        return weights(step / "model" / attempt), curves(step / "model_run" / attempt)

    return run


def weights(model):
    reader = tf.train.load_checkpoint(str(model / "variables" / "variables"))
    names = reader.get_variable_to_shape_map().keys() - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: reader.get_tensor(name) for name in names}


def curves(folder):
    return [
        (epoch.number, value)
        for curve in read_curves(folder)
        for epoch in curve.epochs
        for value in epoch.values.values()
    ]


def workers():
    """Returns the processes that this one has started as workers, the chief first."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if local.WORKER in child.cmdline():
                found.append(child)
    return sorted(found, key=lambda child: child.pid)


@contextlib.contextmanager
def signalled(number, has_begun):
    """Sends a signal to the second worker as soon as something has begun."""

    def send():
        wait_until(lambda: has_begun() and len(workers()) == 2, 300)
        workers()[1].send_signal(number)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield
    thread.join()


@pytest.mark.slow
def test_workers_train_as_one_process_also_if_one_is_killed_or_stopped(
    trainer, tmp_path, caplog
):
    one = trainer("gmf", GMF, "1")
    two = trainer("gmf", GMF, "2", workers=2)
    for name, value in one[0].items():
        np.testing.assert_allclose(two[0][name], value, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(two[1], one[1], atol=1e-4)
    for number, reason in (
        (signal.SIGKILL, "worker 1 of 2 was killed by SIGKILL"),
        (signal.SIGSTOP, "worker 1 of 2 has not answered"),
    ):
        caplog.clear()
        with signalled(number, lambda: list(tmp_path.rglob("0-*"))):
            again = trainer("gmf", GMF, number.name, workers=2)
        assert caplog.text.count("start again") == 1
        assert reason in caplog.text
        for name, value in two[0].items():
            np.testing.assert_array_equal(again[0][name], value, err_msg=name)
        assert again[1] == two[1]
        assert not workers()


@pytest.mark.reliability
def test_a_worker_that_never_meets_the_other_ends_in_an_error(trainer):
    with (
        signalled(signal.SIGSTOP, lambda: True),
        pytest.raises(supervisor.WorkerError) as raised,
    ):
        trainer("gmf", GMF, "1", workers=2, worker_seconds=40)
    assert "no step ended within 40 seconds" in str(raised.value)
    assert "the workers have not found each other" in str(raised.value)
    assert not workers()


@pytest.mark.reliability
def test_parts_and_halves_are_trained_by_workers_too(trainer):
    settings = (
        "{retrieval: popularity, ranking: neumf, ranking_settings: {epochs: 2, "
        "batch_size: 64, refit: true, gmf: {epochs: 1}, mlp: {epochs: 1}}}"
    )
    one = trainer("two_stage", settings, "1")
    two = trainer("two_stage", settings, "2", workers=2)
    for name, value in one[0].items():
        np.testing.assert_allclose(two[0][name], value, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(two[1], one[1], atol=1e-3)


@pytest.mark.reliability
def test_a_worker_ends_with_the_process_that_started_it(tmp_path):
    (tmp_path / "order.json").write_text('{"custom_config": {"require_gpu": false}}')
    addresses = [f"127.0.0.1:{port}" for port in local.free_ports(2)]
    variables = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TF_CONFIG": local.tf_config(addresses, None),  # nothing listens on the other
    }
    command = f"{sys.executable} -m {local.WORKER} {tmp_path}/order.json $$ & wait"
    with subprocess.Popen(
        ["sh", "-c", command], env=os.environ | variables, stdout=subprocess.PIPE
    ) as shell:
        assert json.loads(shell.stdout.readline()) == {}  # it waits for the other one
        [worker] = psutil.Process(shell.pid).children()
        shell.kill()
        wait_until(lambda: not worker.is_running())


SHARDED = {"gmf": GMF, "deepfm": "{epochs: 2, batch_size: 32, dropout_rate: 0.0}"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARDED)
def test_workers_with_parts_of_the_tables_train_as_one_process(
    trainer, tmp_path, caplog, name
):
    """The gradients of both go to the worker that has a row, which one may lose."""
    one = trainer(name, SHARDED[name], "1", shard_tables_from=20)
    two = trainer(name, SHARDED[name], "2", shard_tables_from=20, workers=2)
    assert any("/shard/" in path for path in one[0])
    assert one[0].keys() == two[0].keys()
    for path, value in one[0].items():
        np.testing.assert_allclose(two[0][path], value, atol=1e-4, err_msg=path)
    np.testing.assert_allclose(two[1], one[1], atol=1e-4)
    with signalled(signal.SIGKILL, lambda: list(tmp_path.rglob("0-*-1-of-2"))):
        again = trainer(name, SHARDED[name], "3", shard_tables_from=20, workers=2)
    assert "worker 1 of 2 was killed by SIGKILL" in caplog.text
    for path, value in two[0].items():
        np.testing.assert_array_equal(again[0][path], value, err_msg=path)
    np.testing.assert_allclose(again[1], two[1], rtol=1e-6)  # mean losses


@pytest.mark.slow
def test_three_workers_share_batches_of_four(trainer):
    """TensorFlow's own division would leave the third one without a row."""
    settings = "{epochs: 2, batch_size: 4, learning_rate: 0.0001}"
    one = trainer("gmf", settings, "1")
    three = trainer("gmf", settings, "3", workers=3)
    for path, value in one[0].items():
        np.testing.assert_allclose(three[0][path], value, atol=1e-4, err_msg=path)


@pytest.mark.slow
def test_workers_train_in_half_precision_as_one_process(trainer):
    """Both scale the loss by the same factor, or one would skip a step."""
    half = {"mixed_precision": True}
    one = trainer("gmf", GMF, "1", **half)
    two = trainer("gmf", GMF, "2", workers=2, **half)
    whole = trainer("gmf", GMF, "3")
    for path, value in one[0].items():
        np.testing.assert_allclose(two[0][path], value, atol=1e-4, err_msg=path)
    assert any(np.abs(one[0][path] - whole[0][path]).max() > 0 for path in whole[0])
