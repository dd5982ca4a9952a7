"""From a model and its data to trained weights, one way for every model."""

import contextlib
import dataclasses
import functools
import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import tensorflow as tf

from trainer_modules import addons
from trainer_modules.configs import GradientConfig
from trainer_modules.inputs import Data, read_positives
from trainer_modules.sizes import Sizes
from trainer_modules.tasks import losses, next_item, rating, retrieval
from trainer_modules.tasks.task import Trainee, TrainingSet
from trainer_modules.validation import validation

MANY_ROWS = 100_000  # of a table: LazyAdam takes a fifth of the time from here on
STEPS_PER_CALL = 64  # of training between two visits to Python
OPTIMIZERS = {
    "adam": tf.keras.optimizers.Adam,
    "ftrl": tf.keras.optimizers.Ftrl,
    "lazy_adam": addons.LazyAdam,
    "sgd": tf.keras.optimizers.SGD,
}
TRAINING_SETS: dict[str, Callable[[Data, Any, int], TrainingSet]] = {
    "rating": rating.training_set,
    "retrieval": retrieval.training_set,
    "next_item": next_item.training_set,
}

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


@runtime_checkable
class Pretrained(Protocol):
    """A model whose halves are trained alone before the whole is."""

    def pretrain(self) -> Iterator[tuple[tf.keras.Model, GradientConfig]]:
        """Gives each half, and how to train it, then joins them."""


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
    config: GradientConfig,
    data: Data,
    *,
    seed: int,
    log_dir: str,
    name: str,
) -> Trained:
    """Fits by gradient descent, and leaves the weights of the best epoch in the model.

    Args:
      model: made under the strategy that is to train it.
      config: what to learn from, by which loss, how long.
      data: train and eval records.
      seed: of the shuffles and the negatives.
      log_dir: where TensorBoard finds the run.
      name: of the model, in what is said of the progress.
    """
    halves = model.pretrain() if isinstance(model, Pretrained) else ()
    pretrained = [
        fit(half, alone, data, seed=seed, log_dir=f"{log_dir}/{half.name}", name=name)
        for half, alone in halves
    ]
    training_set = TRAINING_SETS[config.task](data, config, seed)
    learning_rate = config.learning_rate
    if config.optimizer == "sgd":  # a sum over rows: as much for each in any batch
        learning_rate *= training_set.batch_size / config.batch_size
    parts = getattr(model, "optimized_apart", [])  # [(layer, optimizer, learning rate)]
    decayed = functools.partial(
        tf.keras.optimizers.schedules.ExponentialDecay,
        decay_steps=training_set.steps,
        decay_rate=config.learning_rate_decay,
    )
    with model.distribute_strategy.scope():
        trainee = Trainee(
            model,
            losses.loss_named(config.loss, data.sizes.num_items),
            training_set.batch_size,
            [part for part, _, _ in parts],
        )
        trainee.compile(
            optimizer=[
                _optimizer(optimizer, decayed(rate), data.sizes)
                for optimizer, rate in (
                    (config.optimizer, learning_rate),
                    *((own, own_rate) for _, own, own_rate in parts),
                )
            ],
            steps_per_execution=min(training_set.steps, STEPS_PER_CALL),
        )
    validating = validation(model, config, data)
    progress = Progress(name, config.epochs, training_set.pairs, validating.metric)
    early_stopping = tf.keras.callbacks.EarlyStopping(
        validating.metric,
        mode=validating.mode,
        patience=config.patience,
        restore_best_weights=True,
    )
    started = time.monotonic()
    trainee.fit(
        training_set.batches,
        epochs=config.epochs,
        steps_per_epoch=training_set.steps,
        verbose=0,
        callbacks=[
            validating,
            progress,
            early_stopping,
            tf.keras.callbacks.TensorBoard(log_dir, write_graph=False),
        ],
    )
    # Keras restores them only where it stopped early, not after the last epoch.
    trainee.set_weights(early_stopping.best_weights)
    return Trained(
        time.monotonic() - started + sum(half.seconds for half in pretrained),
        progress.samples_per_second,
        progress.epochs_done,
    )


def _optimizer(
    name: str,
    learning_rate: tf.keras.optimizers.schedules.LearningRateSchedule,
    sizes: Sizes,
) -> tf.keras.optimizers.Optimizer:
    if name == "auto":
        is_large = max(sizes.num_users, sizes.num_items) >= MANY_ROWS
        name = "lazy_adam" if is_large else "adam"
    return OPTIMIZERS[name](learning_rate)


class Progress(tf.keras.callbacks.Callback):
    """Says after each epoch how it went, for whoever listens."""

    def __init__(self, name: str, epochs: int, samples_per_epoch: int, metric: str):
        super().__init__()
        self.name, self.epochs, self.metric = name, epochs, metric
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
                    "metric": logs[self.metric],
                    "metric_name": self.metric,
                    "samples_per_second": self.samples_per_epoch / self.trained,
                }
            },
        )
