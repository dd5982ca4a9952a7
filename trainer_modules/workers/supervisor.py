"""Lets several workers train a model: watches them, and replaces those that die.

If a worker ends, the others cannot take another step without it. All of them are then
started again, and go on from the newest checkpoint, by which they also hand over the
result: in the end, each fit of the training has a checkpoint of its last step.
"""

import json
import logging
import os
import queue
import signal
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from trainer_modules.checkpoints.of_step import Checkpoints
from trainer_modules.trainer_settings import TrainerSettings
from trainer_modules.workers.local import LocalWorkers
from trainer_modules.workers.reports import LOST_STATUS, PULSE_SECONDS, Report

MAX_RESTARTS = 3  # without a new checkpoint in between
NO_PULSE_SECONDS = 5 * PULSE_SECONDS
# While TensorFlow waits for the others, it lets no other thread of the worker run.
NOT_MET = (
    "the workers have not found each other: one of them is stopped or overloaded, or "
    "the network between them is down"
)
GRACE_SECONDS = 5.0  # in which a worker that caused the end of the others ends, too
IN_PODS = "MARQUEE_WORKERS_IN_PODS"  # variable that is set in the pods of steps
ORDERED = (
    "train_files",
    "eval_files",
    "transform_graph_path",
    "model_run_dir",
    "base_model",
    "hyperparameters",
    "custom_config",
)

if TYPE_CHECKING:
    from trainer_modules.workers.pods import PodWorkers

progress_log = logging.getLogger("marquee.progress")


class WorkerError(RuntimeError):
    """The workers cannot train the model."""


class WorkerDiedError(WorkerError):
    """A worker has ended before its training.

    Attributes:
        last_lines: What it has written at last.
    """

    def __init__(self, message: str, last_lines: str):
        super().__init__(message)
        self.last_lines = last_lines


def train(fn_args: FnArgs, settings: TrainerSettings, checkpoints: Checkpoints) -> None:
    """Trains a model by several workers, up to the last checkpoint of each fit.

    They are processes of this machine or, on Kubernetes, in pods of their own.

    Args:
        fn_args: Inputs, settings and outputs of the Trainer.
        settings: The settings, with the number of workers.
        checkpoints: The checkpoints of the Trainer, which may be of an earlier attempt.

    Raises:
        WorkerError: If the machine has GPUs, and no pods; if the training fails in a
            worker, or dies too often; or if no step ends in time.
    """
    order = checkpoints.write_order(
        json.dumps({name: getattr(fn_args, name) for name in ORDERED})
    )
    restarts, found = 0, checkpoints.names()
    while True:
        with _started(order, settings) as workers:
            try:
                return _watch(workers, settings)
            except WorkerDiedError as death:
                restarts, before = restarts + 1, found
                found = checkpoints.names()
                if found != before:
                    restarts = 1
                if restarts > MAX_RESTARTS:
                    raise WorkerError(
                        f"{death}, after {MAX_RESTARTS} restarts without a new "
                        "checkpoint. The next run goes on from the last one. The "
                        f"worker's last lines:\n{death.last_lines}"
                    ) from None
                progress_log.warning(
                    "%s. The workers start again, from the last checkpoint", death
                )


def _started(order: str, settings: TrainerSettings) -> "LocalWorkers | PodWorkers":
    """Starts the workers of an attempt, in pods where the Trainer is in one."""
    if os.environ.get(IN_PODS):
        from trainer_modules.workers.pods import PodWorkers

        return PodWorkers(order, settings.workers)
    if tf.config.list_physical_devices("GPU"):
        raise WorkerError(
            f"train.workers is {settings.workers}, and this machine has GPUs: one "
            "process trains on all of them. Remove the setting, or hide the GPUs "
            "(CUDA_VISIBLE_DEVICES=-1)"
        )
    return LocalWorkers.together(order, settings.workers)


def _watch(workers: "LocalWorkers | PodWorkers", settings: TrainerSettings) -> None:
    """Passes on the reports of all workers until the chief has ended.

    The others have taken the same steps by then. They may lose the connection to it.

    Raises:
        WorkerDiedError: If one of them dies.
        WorkerError: If the training fails, or no step ends in time.
    """
    heard, have_met = dict.fromkeys(range(settings.workers), time.monotonic()), False
    deadline = time.monotonic() + settings.worker_seconds
    while True:
        try:
            left = deadline - time.monotonic()
            report = workers.reports.get(timeout=max(0.0, left))
        except queue.Empty:
            silent = _silent(heard, settings) if have_met else [NOT_MET]
            raise WorkerError(_stalled(silent, settings)) from None
        heard[report.worker] = time.monotonic()
        silent = _silent(heard, settings) if have_met else []
        cause = _cause(report, workers) if report.status else report
        if cause.error:
            raise WorkerError(
                f"the training failed in {_name(cause.worker, settings)}: {cause.error}"
            )
        if report.status:
            ended = f"{_name(cause.worker, settings)} {_ended(cause.status)}"
            raise WorkerDiedError(
                "; ".join([ended, *silent]),
                workers.last_lines(cause.worker),
            )
        if report.status == 0:
            if report.worker == 0:
                return
            del heard[report.worker]
        if report.record:
            deadline, have_met = time.monotonic() + settings.worker_seconds, True
            _log(report.worker, report.record)


def _log(worker: int, record: Mapping[str, Any]) -> None:
    """Logs what a worker has logged, once if it is the same for all of them."""
    is_shown = worker == 0 or record["levelno"] >= logging.WARNING
    if is_shown and progress_log.isEnabledFor(record["levelno"]):
        progress_log.handle(
            logging.makeLogRecord({"name": progress_log.name, **record})
        )


def _cause(first: Report, workers: "LocalWorkers | PodWorkers") -> Report:
    """Returns the report of the worker that died, if the first only lost the others.

    Or that of the worker whose training failed.
    """
    report, until = first, time.monotonic() + GRACE_SECONDS
    while report.status in (None, 0, LOST_STATUS) and not report.error:
        try:
            left = until - time.monotonic()
            report = workers.reports.get(timeout=max(0.0, left))
        except queue.Empty:
            return first
    return report


def _stalled(silent: Sequence[str], settings: TrainerSettings) -> str:
    """Describes why no step ended, as far as the reports show."""
    reason = "; ".join(silent) or (
        "all workers answer, but wait for each other: the network between them is "
        "down, or a step takes longer than that"
    )
    return (
        f"the training of {settings.model.name} was stopped, because no step ended "
        f"within {settings.worker_seconds} seconds (train.worker_timeout). {reason}. "
        "The next run goes on from the last checkpoint; if steps take that long, or "
        "reading the data, set a longer train.worker_timeout"
    )


def _silent(heard: Mapping[int, float], settings: TrainerSettings) -> list[str]:
    """Returns a sentence about each worker that has no pulse."""
    now = time.monotonic()
    return [
        f"{_name(worker, settings)} has not answered for {now - last:.0f} seconds: it "
        "is stopped, or its machine is overloaded"
        for worker, last in heard.items()
        if now - last > NO_PULSE_SECONDS
    ]


def _name(worker: int, settings: TrainerSettings) -> str:
    return f"worker {worker} of {settings.workers}"


def _ended(status: int | None) -> str:
    if status == -signal.SIGKILL:
        return "was killed by SIGKILL, probably because memory ran out"
    if status is not None and status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    if status == LOST_STATUS:
        return "lost the others"
    return f"ended with status {status}"
