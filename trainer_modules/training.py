"""From a model and its data to trained weights, one way for every model."""

import contextlib
import dataclasses
import logging
import math
import time
from typing import Any

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.inputs import Data, eval_users, read_positives
from trainer_modules.ranking import rank_targets
from trainer_modules.tasks.retrieval import Retrieval, training_batches

EVAL_METRIC = "ndcg@10"
EVAL_USERS = 2048  # of the eval split choose the epoch; more costs more than it tells
STEPS_PER_CALL = 64  # of training between two visits to Python

progress_log = logging.getLogger("marquee.progress")


@dataclasses.dataclass(frozen=True)
class Trained:
    """What is worth telling of a training.

    Attributes:
      seconds: wall clock, without reading the data.
      samples_per_second: pairs through the model, negatives included; None for a
        closed form.
      epochs: passes or alternations made.
    """

    seconds: float
    samples_per_second: float | None
    epochs: int | None


def strategy(require_gpu: bool) -> tf.distribute.Strategy:
    """All GPUs that TensorFlow sees, else the CPU.

    Raises:
      RuntimeError: if a GPU is required and none is seen.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if require_gpu and not gpus:
        raise RuntimeError(
            "train.require_gpu is set, and TensorFlow sees no GPU: check the driver "
            "and the CUDA libraries (`marquee doctor`), or unset it"
        )
    for gpu in gpus:
        # Already initialised devices keep the setting of their first use.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def solve(model: tf.keras.Model, data: Data) -> Trained:
    """Solves a closed-form model.

    Nothing is chosen with the eval split here, so it is data like the rest: all that
    came before the test's targets.
    """
    interactions = read_positives(data, data.train_files + data.eval_files)
    started = time.monotonic()
    model.solve(interactions)
    return Trained(time.monotonic() - started, None, None)


def fit(
    model: tf.keras.Model,
    config: Any,
    data: Data,
    *,
    seed: int,
    log_dir: str,
    name: str,
) -> Trained:
    """Fits by gradient descent, and leaves the weights of the best epoch in the model.

    Args:
      model: made under the strategy that is to train it.
      config: a ``GradientConfig``.
      data: train and eval records.
      seed: of the shuffles and the negatives.
      log_dir: where TensorBoard finds the run.
      name: of the model, in what is said of the progress.
    """
    interactions = read_positives(data, data.train_files)
    batches, steps = training_batches(
        interactions, config.batch_size, config.num_negatives, seed
    )
    batch_size, num_candidates = batches.element_spec[f.ITEM_INDEX].shape
    with model.distribute_strategy.scope():
        task = Retrieval(model, batch_size)
        task.compile(
            optimizer=tf.keras.optimizers.Adam(config.learning_rate),
            steps_per_execution=min(steps, STEPS_PER_CALL),
        )
    pairs = steps * batch_size * num_candidates
    progress = Progress(name, config.epochs, pairs)
    early_stopping = tf.keras.callbacks.EarlyStopping(
        EVAL_METRIC, mode="max", patience=config.patience, restore_best_weights=True
    )
    started = time.monotonic()
    task.fit(
        batches,
        epochs=config.epochs,
        steps_per_epoch=steps,
        verbose=0,
        callbacks=[
            EvalRanking(model, data),
            progress,
            early_stopping,
            tf.keras.callbacks.TensorBoard(log_dir, write_graph=False),
        ],
    )
    # Keras restores them only where it stopped early, not after the last epoch.
    task.set_weights(early_stopping.best_weights)
    return Trained(
        time.monotonic() - started, progress.samples_per_second, progress.epochs_done
    )


class EvalRanking(tf.keras.callbacks.Callback):
    """Adds the full-catalogue nDCG@10 of the eval targets to each epoch's logs."""

    def __init__(self, scorer: tf.keras.Model, data: Data):
        super().__init__()
        self.scorer = scorer
        self.num_items = data.num_items
        self.num_unknown_items = data.num_unknown_items
        self.users = eval_users(data, EVAL_USERS).cache()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Measures, and tells the callbacks that come after this one."""
        gain, users = 0.0, 0
        for batch in self.users:
            batch_gain, batch_users = self._gains(batch)
            gain += float(batch_gain)
            users += int(batch_users)
        logs[EVAL_METRIC] = gain / users if users else math.nan

    @tf.function(reduce_retracing=True)
    def _gains(self, batch: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
        users = dict(batch)
        targets, label = users.pop(f.ITEM_INDEX), users.pop(f.LABEL)
        rank = rank_targets(
            self.scorer, users, targets, self.num_items, self.num_unknown_items, 1
        )["rank"]

        def discount(place: tf.Tensor) -> tf.Tensor:
            return tf.math.log(2.0) / tf.math.log(1.0 + tf.cast(place, tf.float32))

        is_gain = (rank >= 1) & (rank <= 10) & (label == 1)  # [B, T]
        dcg = tf.reduce_sum(tf.where(is_gain, discount(rank), 0.0), 1)
        num_liked = tf.reduce_sum(label, 1)
        ideal = tf.cumsum(discount(tf.range(1, 11)))
        best = tf.gather(ideal, tf.clip_by_value(num_liked, 1, 10) - 1)
        return tf.reduce_sum(dcg / best), tf.math.count_nonzero(num_liked)


class Progress(tf.keras.callbacks.Callback):
    """Says after each epoch how it went, for whoever listens."""

    def __init__(self, name: str, epochs: int, samples_per_epoch: int):
        super().__init__()
        self.name, self.epochs = name, epochs
        self.samples_per_epoch = samples_per_epoch
        self.epochs_done = 0
        self.fastest = math.inf

    @property
    def samples_per_second(self) -> float:
        """Of the fastest epoch: the first one traces the graph."""
        return self.samples_per_epoch / self.fastest

    def on_epoch_begin(self, epoch: int, logs: dict[str, float]) -> None:
        """Starts the clock."""
        self.started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Reads the clock, so that the eval metric after the last batch is no part."""
        self.trained = time.monotonic() - self.started

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Says it."""
        self.fastest = min(self.fastest, self.trained)
        self.epochs_done = epoch + 1
        progress_log.info(
            "epoch",
            extra={
                "progress": {
                    "model": self.name,
                    "epoch": epoch + 1,
                    "epochs": self.epochs,
                    "loss": float(logs["loss"]),
                    "metric": logs[EVAL_METRIC],
                    "metric_name": EVAL_METRIC,
                    "samples_per_second": self.samples_per_epoch / self.trained,
                }
            },
        )
