"""Reports the progress of a training, epoch by epoch."""

import logging
import math
import time
from collections.abc import Mapping

import tensorflow as tf

progress_log = logging.getLogger("marquee.progress")


class Progress(tf.keras.callbacks.Callback):
    """Logs each epoch, with its numbers as the record's ``progress``.

    Attributes:
        metric: Name of the eval metric in the logs; None if none is measured.
        epochs_done: Number of finished epochs.
        seconds_before: How long the training took before it was interrupted.
    """

    metric: str | None = None

    def __init__(self, name: str, epochs: int, samples_per_epoch: int):
        """Makes the callback.

        Args:
            name: Name of the model.
            epochs: Number of epochs that are planned.
            samples_per_epoch: Pairs of users and items in an epoch.
        """
        super().__init__()
        self.name, self.epochs = name, epochs
        self.samples_per_epoch = samples_per_epoch
        self.epochs_done = 0
        self.fastest = math.inf
        self.seconds_before = self.trained = 0.0

    @property
    def samples_per_second(self) -> float:
        """The speed of the fastest epoch; the first one also traces the graph."""
        return self.samples_per_epoch / self.fastest

    def state(self) -> dict[str, float]:
        """Returns what ``resume`` needs after an interruption."""
        return {
            "fastest": self.fastest,
            "trained": self.trained,
            "seconds": self.seconds_before + time.monotonic() - self.began,
        }

    def resume(self, state: Mapping[str, float], epochs_done: int) -> None:
        """Goes on from the ``state`` of an interrupted training."""
        self.epochs_done = epochs_done
        self.fastest, self.trained = state["fastest"], state["trained"]
        self.seconds_before = state["seconds"]

    def on_train_begin(self, logs: dict[str, float]) -> None:
        """Starts the clock of the training."""
        self.began = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float]) -> None:
        """Starts the clock; an interrupted epoch has used some of its time."""
        self.started = time.monotonic() - self.trained

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Reads the clock, so that measuring the eval metric later does not count."""
        self.trained = time.monotonic() - self.started
        progress_log.debug("%s: more steps have ended", self.name)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Logs the epoch."""
        self.fastest = min(self.fastest, self.trained)
        self.epochs_done = epoch + 1
        measured = f", {self.metric} {logs[self.metric]:.4f}" if self.metric else ""
        # For the logs of pods; a terminal shows the numbers in its own way.
        progress_log.info(
            "%s: epoch %d/%d, loss %.4f%s",
            *(self.name, self.epochs_done, self.epochs, logs["loss"], measured),
            extra={
                "progress": {
                    "model": self.name,
                    "epoch": epoch + 1,
                    "epochs": self.epochs,
                    "loss": float(logs["loss"]),
                    "metric": logs[self.metric] if self.metric else None,
                    "metric_name": self.metric,
                    "samples_per_second": self.samples_per_epoch / self.trained,
                }
            },
        )
        self.trained = 0.0
