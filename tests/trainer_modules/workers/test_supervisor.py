"""Workers are watched and replaced; real processes, which train nothing."""

import logging
import queue
from types import SimpleNamespace

import pytest
from tfx.components.trainer.fn_args_utils import FnArgs

from trainer_modules.checkpoints.of_step import Checkpoints
from trainer_modules.workers import local, supervisor
from trainer_modules.workers.reports import LOST_STATUS, Report


@pytest.fixture
def supervise(tmp_path, monkeypatch):
    """Lets two toy workers do things: a pair for each attempt, the last one again."""
    monkeypatch.setattr(local, "WORKER", "toy_worker")
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 1.0)
    monkeypatch.setattr(supervisor, "NO_PULSE_SECONDS", 3.0)

    def train(*attempts, seconds=60):
        checkpoints = Checkpoints(str(tmp_path), {}, 1)
        config = {"attempts": attempts, "folder": checkpoints.folder}
        settings = SimpleNamespace(
            workers=2, worker_seconds=seconds, model=SimpleNamespace(name="gmf")
        )
        fn_args = FnArgs(
            **dict.fromkeys(supervisor.ORDERED) | {"custom_config": config}
        )
        supervisor.train(fn_args, settings, checkpoints)

    return train


def test_what_the_chief_logs_is_logged_here_and_all_workers_end(supervise, caplog):
    caplog.set_level(logging.INFO, "marquee.progress")
    supervise(["ends", "ends"])
    assert caplog.messages == ["worker 0, attempt 0: ends"]


def test_a_worker_that_is_killed_is_replaced_with_the_others(supervise, caplog):
    caplog.set_level(logging.INFO, "marquee.progress")
    supervise(["waits", "dies"], ["ends", "ends"])
    assert caplog.messages[-2:] == [
        "worker 1 of 2 was killed by SIGKILL, probably because memory ran out. "
        "The workers start again, from the last checkpoint",
        "worker 0, attempt 1: ends",
    ]


def test_a_worker_that_only_lost_the_other_is_not_the_cause(supervise, caplog):
    supervise(["loses", "dies"], ["ends", "ends"])
    assert "worker 1 of 2 was killed" in caplog.text
    assert "worker 0 of 2 lost" not in caplog.text


def test_a_worker_that_dies_again_and_again_ends_the_training(supervise):
    with pytest.raises(supervisor.WorkerError) as raised:
        supervise(["waits", "dies"])
    assert "worker 1 of 2 was killed by SIGKILL" in str(raised.value)
    assert "after 3 restarts" in str(raised.value)
    assert str(raised.value).endswith("last lines:\nthe output of worker 1")


def test_restarts_after_new_checkpoints_do_not_add_up(supervise, caplog):
    supervise(*[["saves and dies", "waits"]] * 5, ["ends", "ends"])
    assert caplog.text.count("start again") == 5


def test_an_error_of_the_training_is_raised_without_another_attempt(supervise, caplog):
    with pytest.raises(
        supervisor.WorkerError, match="in worker 1.*no rating is a like"
    ):
        supervise(["waits", "fails"])
    assert "start again" not in caplog.text


def test_the_error_of_a_worker_is_raised_though_the_chief_is_lost_before():
    """As on a cluster, where reports of other pods take longer."""
    reports = queue.Queue()
    for report in (
        Report(0, status=LOST_STATUS),
        Report(1, error="no rating is a like"),
        Report(1, status=1),
    ):
        reports.put(report)
    workers = SimpleNamespace(reports=reports)
    settings = SimpleNamespace(workers=2, worker_seconds=60)
    with pytest.raises(
        supervisor.WorkerError, match="in worker 1.*no rating is a like"
    ):
        supervisor._watch(workers, settings)


@pytest.mark.slow
def test_a_worker_that_stops_ends_in_an_error_that_names_it(supervise):
    with pytest.raises(supervisor.WorkerError) as raised:
        supervise(["waits", "stops"], seconds=6)
    assert "no step ended within 6 seconds (train.worker_timeout)" in str(raised.value)
    assert "worker 1 of 2 has not answered for" in str(raised.value)
    assert "worker 0 of 2" not in str(raised.value)


@pytest.mark.slow
def test_workers_that_wait_for_each_other_end_in_an_error_about_the_network(supervise):
    with pytest.raises(
        supervisor.WorkerError, match="the network between them is down"
    ):
        supervise(["waits", "waits"], seconds=4)
