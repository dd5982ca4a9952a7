"""The one training loop: repeatable, on any number of devices, best epoch kept."""

import dataclasses
import json
import logging
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from pipeline.config.load import load_config
from pipeline.stages.train_and_push import trainer_config
from pipeline.views.html.training_curves import read_curves
from tests.support import models as support_models
from tests.support.models import build
from trainer_modules import devices, training, validation
from trainer_modules.configs.factorization import HalfConfig, NeuMFConfig
from trainer_modules.inputs import eval_users
from trainer_modules.model_builder import ModelBuilder
from trainer_modules.progress import progress_log
from trainer_modules.tasks.task import Trainee
from trainer_modules.trainer_settings import TrainerSettings

pytestmark = pytest.mark.integration

SMALL = {"epochs": 2, "batch_size": 64, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def heard(train):
    """Returns a small trained model, and the progress that was logged."""

    def trained(name, **settings):
        said = []
        handler = logging.Handler()
        handler.emit = lambda record: said.append(record.progress)
        progress_log.addHandler(handler)
        progress_log.setLevel(logging.INFO)
        model = train(name, **SMALL | settings)
        progress_log.removeHandler(handler)
        progress_log.setLevel(logging.NOTSET)
        return model, said

    return trained


@pytest.fixture(scope="module")
def first(heard):
    return heard("neumf")


def test_the_same_seed_gives_the_same_weights(first, train):
    again = train("neumf", **SMALL)
    for a, b in zip(first[0].weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.name)


def test_says_how_each_epoch_went(first):
    _, said = first
    assert [(p["model"], p["epoch"], p["epochs"]) for p in said] == [
        ("neumf", 1, 2),
        ("neumf", 2, 2),
    ]
    for progress in said:
        assert 0 < progress["loss"] < 1
        assert progress["metric_name"] == "ndcg"
        assert 0 <= progress["metric"] <= 1
        assert progress["samples_per_second"] > 0


@pytest.mark.parametrize(
    ("metrics", "patience", "num_epochs"),
    [
        ([0.3, 0.9, 0.2, 0.1], 5, 4),  # the epochs end before patience does
        ([0.5, 0.4, 0.6, 0.5, 0.55, 0.9], 2, 5),  # and after
    ],
)
def test_the_weights_of_the_best_epoch_are_kept(
    train, monkeypatch, metrics, patience, num_epochs
):
    weights = []

    def measured(self):
        weights.append(self.scorer.get_weights())
        return metrics[len(weights) - 1]

    monkeypatch.setattr(validation.Ranking, "measure", measured)
    model = train("neumf", **SMALL | {"epochs": len(metrics), "patience": patience})
    assert len(weights) == num_epochs
    best = weights[np.argmax(metrics[:num_epochs])]
    for kept, wanted in zip(model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(kept, wanted)


def test_refit_is_training_as_long_on_both_splits(
    transformed_log, tmp_path, monkeypatch
):
    log = {user: [(2 + user * n % 7, 1, 5.0) for n in (1, 2, 3)] for user in (2, 3, 4)}
    held_out = {user: [(2 + user * 4 % 7, 1, 5.0)] for user in (2, 4)}
    joined = {user: rated + held_out.get(user, []) for user, rated in log.items()}
    alone = HalfConfig(epochs=3, batch_size=64, learning_rate=0.01)
    config = NeuMFConfig(**SMALL, gmf=alone, mlp=alone, patience=1, refit=True)

    def trained(data, config, metrics):
        told = iter(metrics)
        monkeypatch.setattr(validation.Ranking, "measure", lambda self: next(told))
        return training.fit_and_refit(
            lambda: build("neumf", data.sizes, **vars(config)),
            config,
            data,
            seed=0,
            log_dir=str(tmp_path),
            name="neumf",
        )

    model, how = trained(
        transformed_log(log, held_out, 5, 9),
        config,
        # Metrics of GMF, of MLP, and of both, first as they were joined.
        [*(0.1, 0.5, 0.2), *(0.3, 0.5, 0.4), *(0.1, 0.9, 0.8)],
    )
    assert how.best_epochs == (2, 2, 1)
    assert how.epochs == 2 + 1
    half = dataclasses.replace(alone, epochs=2)
    expected, _ = trained(
        transformed_log(joined, held_out, 5, 9),
        dataclasses.replace(config, gmf=half, mlp=half, epochs=1, refit=False),
        [1, 2, 3, 4, 5, 6],
    )
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("refit", [False, True])
def test_joined_halves_are_kept_if_no_epoch_makes_them_better(
    planted, tmp_path, monkeypatch, refit
):
    weights = []
    metrics = iter([0.1, 0.2, 0.8, 0.8, 0.7])  # both last, first as joined

    def measured(self):
        weights.append(self.scorer.get_weights())
        return next(metrics)

    monkeypatch.setattr(validation.Ranking, "measure", measured)
    alone = HalfConfig(epochs=1, batch_size=64, learning_rate=0.01)
    config = NeuMFConfig(**SMALL, gmf=alone, mlp=alone, refit=refit)
    model, how = training.fit_and_refit(
        lambda: build("neumf", planted.data.sizes, **vars(config)),
        config,
        planted.data,
        seed=0,
        log_dir=str(tmp_path),
        name="neumf",
    )
    assert how.best_epochs == (1, 1, 0)
    assert how.samples_per_second > 0
    [curve] = [curve for curve in read_curves(tmp_path) if not curve.part]
    measured = [epoch.values["ndcg"] for epoch in curve.epochs]
    assert measured == pytest.approx([0.8, 0.8, 0.7])
    assert curve.best == curve.epochs[0].number == 0
    if not refit:
        joined, trained = weights[2], weights[3]
        for kept, wanted in zip(model.get_weights(), joined, strict=True):
            np.testing.assert_array_equal(kept, wanted)
        assert any((a != b).any() for a, b in zip(joined, trained, strict=True))


def test_a_log_without_times_trains_a_model_that_reads_them(transformed_log, tmp_path):
    log = {
        user: [(2 + (user + n) % 6, 1, 5.0) for n in range(5)] for user in range(2, 9)
    }
    held_out = {user: [(2 + (user + 5) % 6, 1, 5.0)] for user in range(2, 9)}
    data = transformed_log(log, held_out, 9, 8, reads_times=True)
    settings = {"epochs": 1, "embedding_dim": 4, "max_history_length": 4}
    made = build("hstu", data.sizes, **settings)
    model = support_models.train("hstu", data, tmp_path, **settings)
    for before, after in zip(made.blocks, model.blocks, strict=True):
        is_same = before.time_bias.numpy() == after.time_bias.numpy()
        assert is_same.tolist() == [False] + [True] * 127  # only bucket 0 occurs


def test_halves_of_a_model_that_starts_warm_are_not_trained_alone(planted, tmp_path):
    half = HalfConfig(epochs=1, batch_size=64)
    config = NeuMFConfig(**SMALL, gmf=half, mlp=half, refit=True)

    def alone(is_warm):
        folder = tmp_path / str(is_warm)
        _, trained = training.fit_and_refit(
            lambda: build("neumf", planted.data.sizes, **vars(config)),
            config,
            planted.data,
            seed=0,
            log_dir=str(folder),
            name="neumf",
            is_warm=is_warm,
        )
        return len(trained.best_epochs), len(list(folder.rglob("train")))

    # A log of the whole and, twice with the refit, of each half.
    assert alone(is_warm=False) == (3, 6)
    assert alone(is_warm=True) == (1, 2)


def test_lazy_adam_lowers_the_loss_too(heard):
    _, said = heard("fm", optimizer="lazy_adam")
    assert said[1]["loss"] < said[0]["loss"]


def test_keras_traces_its_loop_of_steps_once(train, monkeypatch):
    traced = []
    step = Trainee.train_step

    def counted(trainee, batch):
        traced.append(batch)
        return step(trainee, batch)

    monkeypatch.setattr(Trainee, "train_step", counted)
    train("deepfm", **SMALL)
    # Keras traces the body of a loop twice, and all of it again if it made a variable.
    assert len(traced) == 2


def test_stars_are_learnt_and_the_epoch_chosen_by_their_error(heard, planted):
    model, said = heard("fm", loss="squared_error", num_negatives=0, epochs=3)
    assert said[-1]["loss"] < said[0]["loss"]
    assert said[-1]["metric_name"] == "rmse"
    error = validation.StarsError(model, planted.data).measure()
    assert error == pytest.approx(min(progress["metric"] for progress in said))


@pytest.mark.usefixtures("_mixed_float16")
@pytest.mark.parametrize("name", ["neumf", "deepfm"])
def test_mixed_precision_keeps_variables_and_scores_in_float32(name, heard, planted):
    model, said = heard(name)
    assert said[1]["loss"] < said[0]["loss"]
    assert {weight.dtype for weight in model.weights} == {tf.float32}
    [batch] = eval_users(planted.data, 1)
    score = model(batch)
    assert score.dtype == tf.float32
    assert np.isfinite(score).all()
    layers = [each for each in model.submodules if hasattr(each, "compute_dtype")]
    assert "float16" in {layer.compute_dtype for layer in layers}


def test_a_required_gpu_that_is_not_there_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    with pytest.raises(RuntimeError, match="require_gpu is set.* sees no GPU"):
        devices.strategy(require_gpu=True)
    assert devices.strategy(require_gpu=False).num_replicas_in_sync == 1


# Devices can be divided only before TensorFlow first uses them: a process of its own.
TRAIN_ON_DEVICES = """
    import json, sys
    import numpy as np
    import tensorflow as tf
    from trainer_modules import training
    from trainer_modules.configs.factorization import (
        LightGCNConfig,
        NCFConfig,
        NeuMFConfig,
    )
    from trainer_modules.inputs import Data
    from trainer_modules.models.light_gcn import LightGCN
    from trainer_modules.models.ncf import NCF
    from trainer_modules.models.neumf import NeuMF
    from trainer_modules.sizes import Sizes

    [cpu] = tf.config.list_physical_devices("CPU")
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [half, half])
    told = json.loads(sys.argv[1])
    spec = {"user_index": tf.io.FixedLenFeature([1], tf.int64)} | {
        name: tf.io.RaggedFeature(dtype, key, row_splits_dtype=tf.int64)
        for name, (key, dtype) in told["lists"].items()
    }
    sizes = Sizes(*told["sizes"])
    data = Data(told["train"], told["eval"], spec, sizes, 0)

    # Batches of three, which two devices share as two and one; nothing is dropped, as
    # it would not be the same.
    neumf = NeuMFConfig(epochs=1, batch_size=3, l2=0.001)
    ncf = NCFConfig(
        epochs=1,
        batch_size=3,
        embedding_dim=4,
        hidden_units=(8, 4, 2),
        dropout_rate=0.0,
        l2=0.01,
    )
    light_gcn = LightGCNConfig(epochs=1, batch_size=3, embedding_dim=4, l2=0.01)

    def trained(strategy, model_class, config):
        tf.keras.utils.set_random_seed(0)
        with strategy.scope():
            model = model_class(config, sizes)
        training.fit(model, config, data, seed=0, log_dir=told["logs"], name="model")
        return strategy.num_replicas_in_sync, model.get_weights()

    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    cases = [
        ("neumf", NeuMF, neumf, 1e-5),
        ("ncf", NCF, ncf, 1e-4),
        ("light_gcn", LightGCN, light_gcn, 1e-4),
    ]
    for name, *made_of, rtol in cases:
        one, alone = trained(tf.distribute.get_strategy(), *made_of)
        two, shared = trained(mirrored, *made_of)
        assert (one, two) == (1, 2)
        for a, b in zip(alone, shared, strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5, err_msg=name)
        print(name, "the same", len(alone))
"""


def test_two_devices_give_the_weights_of_one(planted, tmp_path):
    told = {
        "train": planted.data.train_files,
        "eval": planted.data.eval_files,
        "sizes": [planted.data.sizes.num_users, planted.data.sizes.num_items],
        "lists": {
            name: (spec.value_key, spec.dtype.name)
            for name, spec in planted.data.feature_spec.items()
            if isinstance(spec, tf.io.RaggedFeature)
        },
        "logs": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TRAIN_ON_DEVICES), json.dumps(told)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-3:] == [
        "neumf the same 14",
        "ncf the same 14",
        "light_gcn the same 4",
    ]


def test_two_parts_are_trained_as_if_each_were_alone(planted, tmp_path):
    config = load_config(
        None,
        [
            "models.mf_als={epochs: 2, embedding_dim: 4}",
            "models.fm={epochs: 2, batch_size: 64, refit: true}",
            "models.two_stage={retrieval: mf_als, ranking: fm}",
        ],
    )
    counts = ("num_items", "num_rated_items", "num_items_before_test")
    facts = {"catalogue": ""} | dict.fromkeys(counts, 24)

    def trained(name):
        settings = TrainerSettings.parse(trainer_config(name, config) | facts)
        build_model = ModelBuilder.for_devices(settings, planted.data)
        return training.train(build_model, planted.data, str(tmp_path / name))

    model, figures = trained("two_stage")
    for part, name in ((model.retrieval, "mf_als"), (model.ranking, "fm")):
        alone, of_part = trained(name)
        for found, expected in zip(part.weights, alone.weights, strict=True):
            np.testing.assert_array_equal(found, expected, err_msg=found.name)
    assert figures.epochs == of_part.epochs >= 2
    curves = {curve.part for curve in read_curves(tmp_path / "two_stage")}
    assert curves == {"ranking", "ranking/refit"}
