"""Saves the state of a fit while it runs, and restores it."""

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer_modules import devices
from trainer_modules.checkpoints.files import Array, Checkpoint, CheckpointFiles
from trainer_modules.disk_arrays import MAPPED_BYTES, copied, joined, tensor
from trainer_modules.layers.sharded_table import sharded_tables
from trainer_modules.progress import Progress
from trainer_modules.tasks.task import Trainee

progress_log = logging.getLogger("marquee.progress")


class Saver(tf.keras.callbacks.Callback):
    """Saves a fit at intervals and when it ends, and starts it where it was saved.

    It must be the last callback, so that it saves what the others have done.
    """

    def __init__(
        self,
        files: CheckpointFiles,
        interval: float,
        trainee: Trainee,
        epochs: int,
        others: Sequence[tf.keras.callbacks.Callback],
        joins_parts: bool = False,
    ):
        """Reads the newest checkpoint, and sets the trainee's ``steps_done`` by it.

        Args:
            files: The checkpoints of the fit.
            interval: Time between two checkpoints, in seconds.
            trainee: What is to be fitted.
            epochs: Number of epochs that are planned.
            others: The other callbacks.
            joins_parts: Whether the checkpoint has parts, to be put together here.
        """
        super().__init__()
        self.files, self.interval, self.others = files, interval, others
        self.trainee = trainee
        self.steps = trainee.training_set.steps
        self.all_steps = epochs * self.steps
        self.history: list[dict[str, float]] = []
        self.tables = sharded_tables(trainee.model)
        self.checkpoint = self._newest()
        if self.checkpoint and joins_parts:
            self.checkpoint = self._whole(self.checkpoint)
        if self.checkpoint:
            trainee.steps_done = self.checkpoint.steps_done

    def _newest(self) -> Checkpoint | None:
        """Returns the checkpoint that the chief chooses, for all workers."""
        newest = None

        def steps_done() -> float:
            nonlocal newest
            newest = self.files.newest()
            return newest.steps_done if newest else -1

        steps = int(devices.of_chief(self.trainee.distribute_strategy, steps_done))
        return newest if newest or steps < 0 else self.files.at(steps)

    def _whole(self, first: Checkpoint) -> Checkpoint:
        """Returns a checkpoint of parts with whole tables, one worker's after another.

        Everything else is the same in all parts.
        """
        of_parts = [first, *self.files.other_parts(first.steps_done)]

        def whole(variables: Sequence[tf.Variable], values: str) -> list[Array]:
            arrays: Sequence[Sequence[Array]] = [getattr(p, values) for p in of_parts]
            return [
                joined([part[place] for part in arrays])
                if any(
                    variable is row for table in self.tables for row in table.weights
                )
                else arrays[0][place]
                for place, variable in enumerate(variables[: len(arrays[0])])
            ]

        return dataclasses.replace(
            first,
            variables=whole(_variables(self.trainee), "variables"),
            best_weights=whole(self.trainee.weights, "best_weights"),
        )

    @property
    def has_ended(self) -> bool:
        """Whether the fit had ended when it was saved."""
        return self.trainee.steps_done == self.all_steps

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Restores the checkpoint if there is one."""
        self.saved = time.monotonic()
        self.variables = _variables(self.model)
        if self.checkpoint:
            self._restore(self.checkpoint)

    def on_epoch_begin(
        self, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Restores the mean loss within an epoch, which Keras has set back."""
        self.epoch = epoch
        if self.checkpoint and self.checkpoint.steps_done % self.steps:
            self._restore_variables(self.checkpoint)
        self.checkpoint = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        """Saves within an epoch, when the interval is over."""
        if batch + 1 < self.steps and self._is_due():
            self._save(self.epoch * self.steps + batch + 1)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Saves when the interval is over, or the fit has ended."""
        self.history.append({name: float(value) for name, value in logs.items()})
        steps_done = (epoch + 1) * self.steps
        if self.model.stop_training or steps_done == self.all_steps:
            self._save(self.all_steps)
        elif self._is_due():
            self._save(steps_done)

    def _is_due(self) -> bool:
        # All workers save at the same step: each has a part of the mean loss.
        return bool(devices.of_chief(self.model.distribute_strategy, self._is_over))

    def _is_over(self) -> bool:
        is_over = time.monotonic() - self.saved >= self.interval
        return is_over and not self.files.is_writing

    def _save(self, steps_done: int) -> None:
        early_stopping = self._other(tf.keras.callbacks.EarlyStopping)
        state: dict[str, Any] = {
            "history": self.history,
            "progress": self._other(Progress).state(),
        }
        best_weights: Sequence[Array] = []
        if early_stopping:
            best_weights = early_stopping.best_weights or []
            state["early_stopping"] = {
                "best": float(early_stopping.best),
                "best_epoch": early_stopping.best_epoch,
                "wait": early_stopping.wait,
            }
        self.saved = time.monotonic()
        try:
            variables = [copied(variable) for variable in self.variables]
        except OSError as error:  # large ones are copied to the disk
            progress_log.warning(
                "no checkpoint could be written: %s. The training continues", error
            )
            return
        self.files.write(Checkpoint(steps_done, variables, best_weights, state))

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Restores the variables, and what the other callbacks know."""
        self._restore_variables(checkpoint)
        self.history = checkpoint.state["history"]
        progress = self._other(Progress)
        progress.resume(checkpoint.state["progress"], len(self.history))
        if not self.has_ended:
            progress_log.info(
                "%s goes on from a checkpoint, after %d of %d steps",
                progress.name,
                checkpoint.steps_done,
                self.all_steps,
            )
        for epoch, logs in enumerate(self.history):
            # The curves are in the folder of this attempt.
            self._other(tf.keras.callbacks.TensorBoard).on_epoch_end(epoch, logs)
        early_stopping = self._other(tf.keras.callbacks.EarlyStopping)
        if early_stopping:
            vars(early_stopping).update(checkpoint.state["early_stopping"])
            early_stopping.best_weights = list(checkpoint.best_weights) or None

    def _restore_variables(self, checkpoint: Checkpoint) -> None:
        for variable, value in zip(self.variables, checkpoint.variables, strict=True):
            # A large one without a copy in memory, if no step changes it any more.
            is_mapped = self.has_ended and value.nbytes >= MAPPED_BYTES
            variable.assign(tensor(value) if is_mapped else value)

    def _other(self, kind: type[tf.keras.callbacks.Callback]) -> Any:
        """Returns the callback of a type; None if there is none."""
        return next((other for other in self.others if isinstance(other, kind)), None)


def _variables(trainee: Trainee) -> list[tf.Variable]:
    """Returns all variables that a step of the training reads or writes.

    Keras leaves the state of the layers' random generators out of checkpoints.
    """
    parts = tf.train.TrackableView(trainee).descendants()
    generators = [
        layer._random_generator._generator
        for layer in trainee.submodules
        if isinstance(layer, tf.keras.__internal__.layers.BaseRandomLayer)
    ]
    return [
        *(part for part in parts if isinstance(part, tf.Variable)),
        *(generator.state for generator in generators if generator),
    ]
