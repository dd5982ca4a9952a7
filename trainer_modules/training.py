"""From a model and its data to trained weights, one way for every model."""

import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import tensorflow as tf

from trainer_modules import addons
from trainer_modules.configs.base import GradientConfig
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
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
TRAINING_SETS: dict[str, Callable[[Data, Ratings, Any, int], TrainingSet]] = {
    "rating": rating.training_set,
    "retrieval": retrieval.training_set,
    "next_item": next_item.training_set,
}

progress_log = logging.getLogger("marquee.progress")


@dataclasses.dataclass(frozen=True)
class Trained:
    """What is worth telling of a training.

    Attributes:
        seconds: Wall clock, without reading the data.
        samples_per_second: Pairs through the model, negatives included; None for a
            closed form.
        epochs: Passes or alternations made.
        best_epochs: Passes after which the eval split chose to stop, of each half that
            was pre-trained, then of the whole.
    """

    seconds: float
    samples_per_second: float | None
    epochs: int | None
    best_epochs: tuple[int, ...] = ()


@runtime_checkable
class Pretrained(Protocol):
    """A model whose halves are trained alone before the whole is."""

    def pretrain(self) -> Iterator[tuple[tf.keras.Model, GradientConfig]]:
        """Gives each half, and how to train it, then joins them."""


def strategy(require_gpu: bool) -> tf.distribute.Strategy:
    """All GPUs that TensorFlow sees, else the CPU.

    Raises:
        RuntimeError: If a GPU is required and none is seen.
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

    Nothing is chosen with the eval split here, so it is data like the rest: in every
    kind of split it precedes the test and is in the history of the test records.
    """
    ratings = data.train_ratings.joined(data.eval_ratings)
    interactions = data.interactions(ratings.where(ratings.liked()))
    started = time.monotonic()
    model.solve(interactions)
    return Trained(time.monotonic() - started, None, None)


def fit_and_refit(
    build: Callable[[], tf.keras.Model],
    config: GradientConfig,
    data: Data,
    *,
    seed: int,
    log_dir: str,
    name: str,
    is_warm: bool = False,
) -> tuple[tf.keras.Model, Trained]:
    """Builds a model and fits it; with ``refit`` once more, on the eval split too.

    As in Rendle et al. 2020 (https://arxiv.org/abs/2005.09683), section 3.2: what is
    held out to choose with is given back before the model is used. ``build`` makes the
    model, the same one each time; the rest is as ``fit`` has it.
    """
    model = build()
    first = fit(
        model, config, data, seed=seed, log_dir=log_dir, name=name, is_warm=is_warm
    )
    if not config.refit:
        return model, first
    model = build()
    again = fit(
        model,
        config,
        data,
        seed=seed,
        log_dir=f"{log_dir}/refit",
        name=name,
        is_warm=is_warm,
        epochs=first.best_epochs,
    )
    return model, dataclasses.replace(
        again,
        seconds=first.seconds + again.seconds,
        epochs=(first.epochs or 0) + (again.epochs or 0),
    )


def fit(
    model: tf.keras.Model,
    config: GradientConfig,
    data: Data,
    *,
    seed: int,
    log_dir: str,
    name: str,
    is_warm: bool = False,
    epochs: Sequence[int] = (),
) -> Trained:
    """Fits by gradient descent, and leaves the weights of the best epoch in the model.

    Args:
        model: Made under the strategy that is to train it.
        config: What to learn from, by which loss, how long.
        data: Train and eval records.
        seed: Of the shuffles and the negatives.
        log_dir: Where TensorBoard finds the run.
        name: Of the model, in what is said of the progress.
        is_warm: The model starts from a trained one, and so do its halves.
        epochs: To make on both splits together, as ``Trained.best_epochs`` tells them;
            without them, the eval split chooses.
    """
    needs_halves = isinstance(model, Pretrained) and not is_warm
    halves = model.pretrain() if needs_halves else ()
    pretrained = [
        fit(
            half,
            alone,
            data,
            seed=seed,
            log_dir=f"{log_dir}/{half.name}",
            name=name,
            epochs=epochs[number : number + 1],
        )
        for number, (half, alone) in enumerate(halves)
    ]
    ratings = data.train_ratings
    if epochs:
        ratings = ratings.joined(data.eval_ratings)
    training_set = TRAINING_SETS[config.task](data, ratings, config, seed)
    trainee = _compiled(model, config, data, training_set)
    num_epochs = epochs[-1] if epochs else config.epochs
    progress = Progress(name, num_epochs, training_set.pairs)
    callbacks = [progress, tf.keras.callbacks.TensorBoard(log_dir, write_graph=False)]
    if not epochs:
        validating = validation(model, config, data)
        early_stopping = tf.keras.callbacks.EarlyStopping(
            validating.metric,
            mode=validating.mode,
            patience=config.patience,
            restore_best_weights=True,
        )
        progress.metric = validating.metric
        callbacks = [validating, *callbacks, early_stopping]
    started = time.monotonic()
    trainee.fit(
        training_set.batches,
        epochs=num_epochs,
        steps_per_epoch=training_set.steps,
        verbose=0,
        callbacks=callbacks,
    )
    best_epoch = num_epochs
    if not epochs:
        # Keras restores them only where it stopped early, not after the last epoch.
        trainee.set_weights(early_stopping.best_weights)
        best_epoch = early_stopping.best_epoch + 1
    return Trained(
        time.monotonic() - started + sum(half.seconds for half in pretrained),
        progress.samples_per_second,
        progress.epochs_done,
        (*(epoch for half in pretrained for epoch in half.best_epochs), best_epoch),
    )


def _compiled(
    model: tf.keras.Model, config: GradientConfig, data: Data, training_set: TrainingSet
) -> Trainee:
    """The model with its loss, and an optimizer for each of its parts."""
    learning_rate = config.learning_rate
    if config.optimizer == "sgd":  # a sum over rows: as much for each in any batch
        learning_rate *= training_set.batch_size / config.batch_size
    parts = getattr(model, "optimized_apart", [])  # [(layer, optimizer, learning rate)]
    optimizers = [(config.optimizer, learning_rate)]
    optimizers += [(optimizer, rate) for _, optimizer, rate in parts]
    with model.distribute_strategy.scope():
        trainee = Trainee(
            model,
            losses.loss_named(config.loss, data.sizes.num_items),
            training_set.batch_size,
            [part for part, _, _ in parts],
        )
        trainee.compile(
            optimizer=[
                _optimizer(
                    optimizer,
                    tf.keras.optimizers.schedules.ExponentialDecay(
                        rate, training_set.steps, config.learning_rate_decay
                    ),
                    data.sizes,
                )
                for optimizer, rate in optimizers
            ],
            steps_per_execution=min(training_set.steps, STEPS_PER_CALL),
        )
    return trainee


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

    metric: str | None = None  # of the eval split, where it is asked

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
                    "metric": logs[self.metric] if self.metric else None,
                    "metric_name": self.metric,
                    "samples_per_second": self.samples_per_epoch / self.trained,
                }
            },
        )
