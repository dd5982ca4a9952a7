"""A training that is stopped goes on, and ends as one that never was stopped."""

import errno
import logging
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from pipeline.config.load import load_config
from pipeline.stages.train_and_push import trainer_config
from pipeline.views.html.training_curves import read_curves
from trainer_modules import optimizers, training
from trainer_modules.checkpoints import files, saver
from trainer_modules.checkpoints.of_step import FOLDER, Checkpoints
from trainer_modules.model_builder import ModelBuilder
from trainer_modules.trainer_settings import TrainerSettings

pytestmark = pytest.mark.integration

MADE_FOR = {"model": '"gmf"', "seed": "0"}
GMF = "{epochs: 3, batch_size: 32, learning_rate: 0.0001}"
MODELS = {
    "gmf": GMF,
    "light_gcn": "{epochs: 2, batch_size: 64, learning_rate: 0.0001}",
    # With dropout, whose random numbers have to go on too.
    "sasrec": "{epochs: 2, batch_size: 64, embedding_dim: 8, dropout_rate: 0.5}",
    # Six fits: two halves and the whole, of the train split and of both.
    "neumf": (
        "{epochs: 2, batch_size: 64, learning_rate: 0.0001, dropout_rate: 0.5, "
        "refit: true, gmf: {epochs: 1}, mlp: {epochs: 1}}"
    ),
    "two_stage": (
        "{retrieval: two_tower, ranking: fm, "
        "retrieval_settings: {epochs: 2, batch_size: 64}, "
        "ranking_settings: {epochs: 2, batch_size: 64}}"
    ),
}


class StoppedError(Exception):
    """Ends a training in the middle."""


@pytest.fixture
def attempt(planted, tmp_path, monkeypatch):
    """Trains a model, and counts the calls of Keras' training function.

    The result is the model, the figures, the folder of the curves and the calls. With
    ``stop_after``, the training stops after so many calls.
    """
    counts = ("num_items", "num_rated_items", "num_items_before_test")
    facts = {"catalogue": ""} | dict.fromkeys(counts, 24)
    logs = iter(range(1000))
    monkeypatch.setattr(optimizers, "STEPS_PER_CALL", 7)
    keras = tf.keras.callbacks.CallbackList.on_train_batch_end

    def trained(name, settings, checkpoints=None, stop_after=None):
        config = load_config(None, [f"models.{name}={settings}"])
        parsed = TrainerSettings.parse(trainer_config(name, config) | facts)
        calls = []

        def counting(*arguments):
            keras(*arguments)
            calls.append(1)
            if len(calls) == stop_after:
                raise StoppedError

        tf.keras.backend.clear_session()  # which numbers the names of layers anew
        monkeypatch.setattr(
            tf.keras.callbacks.CallbackList, "on_train_batch_end", counting
        )
        log_dir = tmp_path / f"logs-{next(logs)}"
        build = ModelBuilder.for_devices(parsed, planted.data)
        try:
            model, figures = training.train(
                build, planted.data, str(log_dir), checkpoints
            )
        except StoppedError:
            checkpoints.wait()
            raise
        return model, figures, log_dir, len(calls)

    return trained


@pytest.fixture
def saved(tmp_path):
    """Returns the checkpoints of a new attempt, and saves as often as possible."""
    return lambda made_for=MADE_FOR: Checkpoints(str(tmp_path / "state"), made_for, 0)


@pytest.fixture
def stopped_twice(attempt, saved, tmp_path):
    """A training that was stopped twice; returns its checkpoints, the older first."""
    for calls in (3, 2):
        with pytest.raises(StoppedError):
            attempt("gmf", GMF, saved(), stop_after=calls)
    return sorted((tmp_path / "state").glob("*/0-*"))


def same(found, expected):
    """Checks that two attempts gave the same model, figures and curves."""
    for one, other in zip(found[0].weights, expected[0].weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=other.name)
    for name in ("epochs", "best_epochs"):
        assert getattr(found[1], name) == getattr(expected[1], name)
    # Losses show an error in the epochs whose weights are not kept.
    assert curves(found[2]) == curves(expected[2])


def curves(log_dir):
    """Returns the part of a model, the number of an epoch and its figures."""
    found = [
        (curve.part, epoch.number, epoch.values)
        for curve in read_curves(log_dir)
        for epoch in curve.epochs
    ]
    assert found
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_stopped_training_ends_with_the_same_model(name, attempt, saved):
    expected = attempt(name, MODELS[name])
    for seed in range(2 if name == "gmf" else 1):
        stop_after = random.Random(seed).randint(2, expected[3] - 1)
        with pytest.raises(StoppedError):
            attempt(name, MODELS[name], saved(), stop_after)
        checkpoints = saved()
        found = attempt(name, MODELS[name], checkpoints)
        assert found[3] < expected[3]
        same(found, expected)
        checkpoints.remove()


def test_after_the_end_of_an_epoch_the_next_one_has_its_own_loss(
    attempt, saved, tmp_path, monkeypatch
):
    # On a slow disk, the end of the epoch would be left out.
    monkeypatch.setattr(files.CheckpointFiles, "is_writing", False)
    expected = attempt("gmf", GMF)
    calls = expected[3] // 3  # of an epoch
    with pytest.raises(StoppedError):
        attempt("gmf", GMF, saved(), stop_after=calls + 1)
    ended, begun = sorted((tmp_path / "state").glob("*/0-*"))
    steps = int(ended.name.partition("-")[2])
    assert steps < int(begun.name.partition("-")[2]) < 2 * steps
    begun.unlink()
    found = attempt("gmf", GMF, saved())
    assert found[3] == 2 * calls
    same(found, expected)


def test_a_worker_that_writes_nothing_removes_nothing(stopped_twice, saved, tmp_path):
    """It may see other devices, and so take the Trainer's files for another's."""
    order = saved().write_order("{}")
    other = Checkpoints(
        str(tmp_path / "state"), MADE_FOR | {"gpus": "1"}, 0, writes=False
    )
    assert all(path.exists() for path in stopped_twice)
    with pytest.raises(ValueError, match="it differs in gpus"):
        other.check_order(order)
    saved().check_order(order)


def test_a_worker_reads_the_checkpoint_that_the_chief_has_chosen(
    stopped_twice, monkeypatch
):
    monkeypatch.setattr(files, "SHARED_SECONDS", 0.0)
    older, newer = stopped_twice
    steps = int(older.name.partition("-")[2])
    of_worker = files.CheckpointFiles(str(older.parent), 0, "{}", writes=False)
    assert of_worker.at(steps).steps_done == steps
    with pytest.raises(FileNotFoundError, match="that all workers share"):
        of_worker.at(steps + 1)
    older.write_bytes(newer.read_bytes()[:-1])
    with pytest.raises(OSError, match="damaged here"):
        of_worker.at(steps)
    assert older.exists()


def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(
    attempt, saved, stopped_twice, caplog
):
    older, newer = stopped_twice
    content = bytearray(newer.read_bytes())
    content[len(content) // 2] ^= 1
    newer.write_bytes(content)
    caplog.set_level(logging.INFO, "marquee.progress")
    found = attempt("gmf", GMF, saved())
    assert f"{newer} is damaged" in caplog.text
    steps = int(older.name.partition("-")[2])
    assert f"goes on from a checkpoint, after {steps} of" in caplog.text
    same(found, attempt("gmf", GMF))


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_checkpoint_in_parts_is_used_if_all_are_intact(tmp_path, caplog, is_missing):
    ends = ("-0-of-2", "-1-of-2")
    of_workers = [
        files.CheckpointFiles(str(tmp_path), 0, "{}", parts=parts)
        for parts in (ends, ends[::-1])
    ]
    for steps in (1, 2, 3):  # of which two are kept
        for number, worker in enumerate(of_workers):
            part = np.full(4, 10 * steps + number, np.float32)
            worker.write(files.Checkpoint(steps, [part], [], {}))
            worker.wait()
    chief, other = of_workers
    assert chief.newest().variables[0][0] == 30
    assert [part.variables[0][0] for part in chief.other_parts(3)] == [31]
    newest = tmp_path / "0-000000000003-1-of-2"
    if is_missing:
        newest.unlink()
    else:
        newest.write_bytes(newest.read_bytes()[:-1])
    assert chief.newest().variables[0][0] == 20
    assert "0-000000000003-0-of-2 is damaged" in caplog.text
    assert other.at(2).variables[0][0] == 21


def write_part(worker, steps):
    worker.write(files.Checkpoint(steps, [np.full(4, steps, np.float32)], [], {}))
    worker.wait()


def test_what_all_workers_have_written_stays_if_one_can_write_no_more(tmp_path):
    chief, other = (
        files.CheckpointFiles(str(tmp_path), 0, "{}", parts=parts)
        for parts in (("-0-of-2", "-1-of-2"), ("-1-of-2", "-0-of-2"))
    )
    for steps in (1, 2):
        write_part(chief, steps)
        write_part(other, steps)
    for steps in (3, 4, 5):
        write_part(chief, steps)
    assert len(list(tmp_path.glob("0-*-0-of-2"))) == 4  # and not without end
    assert chief.newest().steps_done == 2
    # What is damaged is removed at both: a later checkpoint has fewer steps.
    for path in tmp_path.glob("0-*-0-of-2"):
        path.write_bytes(b"")
    assert chief.newest() is None
    for worker in (chief, other):
        write_part(worker, 1)
    assert chief.newest().steps_done == 1


def test_a_checkpoint_that_does_not_fit_leaves_no_part_of_it(
    tmp_path, caplog, monkeypatch
):
    def fill(checkpoint, file):
        del checkpoint
        file.write(b"x" * 1000)
        raise OSError(errno.ENOSPC, "No space left on device")

    of_fit = files.CheckpointFiles(str(tmp_path), 0, "{}")
    with monkeypatch.context() as patched:
        patched.setattr(files, "_encode", fill)
        write_part(of_fit, 1)
    assert "no checkpoint could be written" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == [files.MADE_FOR]
    write_part(of_fit, 2)
    assert of_fit.newest().steps_done == 2


def test_a_training_goes_on_if_the_disk_has_no_room_for_a_copy(
    attempt, saved, monkeypatch, caplog
):
    def fail(variable):
        raise OSError(errno.ENOSPC, f"No space left on device for {variable.name}")

    expected = attempt("gmf", GMF)
    monkeypatch.setattr(saver, "copied", fail)
    same(attempt("gmf", GMF, saved()), expected)
    assert "No space left on device" in caplog.text


def test_reading_takes_no_more_memory_than_the_arrays(tmp_path):
    arrays = [np.full(1 << 20, number, np.float32) for number in range(24)]
    of_fit = files.CheckpointFiles(str(tmp_path), 0, "{}")
    of_fit.write(files.Checkpoint(1, arrays, [], {}))
    of_fit.wait()
    tracemalloc.start()
    found = of_fit.newest()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for one, other in zip(found.variables, arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    size = sum(array.nbytes for array in arrays)
    assert size <= peak < size + 3 * files.READ_BYTES


def test_without_an_intact_checkpoint_the_training_starts_anew(
    attempt, saved, stopped_twice
):
    for path, size in zip(stopped_twice, (0, 1000), strict=True):
        with path.open("r+b") as file:
            file.truncate(size)
    expected = attempt("gmf", GMF)
    found = attempt("gmf", GMF, saved())
    assert found[3] == expected[3]
    same(found, expected)


def test_checkpoints_of_another_training_are_refused_by_name_and_removed(
    attempt, saved, stopped_twice, caplog
):
    other = saved(MADE_FOR | {"seed": "1", "config.epochs": "3"})
    assert "it differs in config.epochs, seed" in caplog.text
    # It may not be able to start: the former training can go on until there is one.
    assert all(path.exists() for path in stopped_twice)
    expected = attempt("gmf", GMF)
    assert attempt("gmf", GMF, other)[3] == expected[3]
    assert not any(path.exists() for path in stopped_twice)


def test_before_the_first_interval_is_over_nothing_is_saved(attempt, tmp_path):
    checkpoints = Checkpoints(str(tmp_path / "state"), MADE_FOR, 3600)
    with pytest.raises(StoppedError):
        attempt("gmf", GMF, checkpoints, stop_after=3)
    assert not (tmp_path / "state").exists()


def test_a_finished_step_leaves_nothing_behind(attempt, saved, tmp_path):
    checkpoints = saved()
    attempt("gmf", GMF, checkpoints)
    assert list((tmp_path / "state").rglob("0-*"))
    checkpoints.remove()
    assert not list((tmp_path / "state").iterdir())


def test_a_training_goes_on_if_nothing_can_be_written(attempt, tmp_path, caplog):
    (tmp_path / "file").touch()
    checkpoints = Checkpoints(str(tmp_path / "file" / "state"), MADE_FOR, 0)
    found = attempt("gmf", GMF, checkpoints)
    checkpoints.remove()
    assert "no checkpoint could be written" in caplog.text
    same(found, attempt("gmf", GMF))


def test_what_decides_the_weights_is_compared_below_the_root(tmp_path):
    def checkpoints(root, execution, epochs=2, seconds=300):
        step = f"{root}/Trainer_gmf"
        return Checkpoints.of(
            FnArgs(
                model_run_dir=f"{step}/model_run/{execution}",
                train_files=[f"{root}/Transform/transformed_examples/7/Split-train/*"],
                custom_config={"config": {"epochs": epochs}, "seed": 0},
            ),
            seconds,
        )

    first = checkpoints(tmp_path / "a", 12)
    assert Path(first.folder).parent == tmp_path / "a" / "Trainer_gmf" / FOLDER
    assert checkpoints(tmp_path / "a", 13, seconds=60).folder == first.folder
    moved = checkpoints(tmp_path / "b", 14)
    assert Path(moved.folder).name == Path(first.folder).name
    assert checkpoints(tmp_path / "a", 15, epochs=3).folder != first.folder
    assert checkpoints(tmp_path / "a", 16, seconds=0) is None
