"""Trains a model: one way for every model that is fitted, one for those solved."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer_modules import devices
from trainer_modules.checkpoints.of_step import Checkpoints
from trainer_modules.configs.base import GradientConfig
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.model_builder import ModelBuilder
from trainer_modules.optimizers import compiled
from trainer_modules.progress import Progress
from trainer_modules.protocols import ClosedForm, OnAGraph, TrainedInHalves
from trainer_modules.tasks import in_batch, next_item, rating, retrieval, sequence
from trainer_modules.tasks.task import Trainee, TrainingSet
from trainer_modules.validation import Validation, validation

TRAINING_SETS: dict[str, Callable[[Data, Ratings, Any, int], TrainingSet]] = {
    "rating": rating.training_set,
    "retrieval": retrieval.training_set,
    "in_batch": in_batch.training_set,
    "next_item": next_item.training_set,
    "sequence": sequence.training_set,
}


@dataclasses.dataclass(frozen=True)
class Trained:
    """Figures of a training.

    Attributes:
        seconds: Wall-clock time, without reading the data.
        samples_per_second: Pairs through the model, negatives included; None for a
            closed form.
        epochs: Number of passes over the data; None for a closed form.
        best_epochs: The number of passes after which the eval split chose to stop, for
            each half that was trained alone and then for the whole; 0 if the halves
            were best as they were joined.
    """

    seconds: float
    samples_per_second: float | None
    epochs: int | None
    best_epochs: tuple[int, ...] = ()


def train(
    build: ModelBuilder,
    data: Data,
    log_dir: str,
    checkpoints: Checkpoints | None = None,
) -> tuple[tf.keras.Model, Trained]:
    """Builds a model and trains it by the method that fits it.

    Args:
        build: Builds the model.
        data: Train and eval records.
        log_dir: Where to write the training curves for TensorBoard.
        checkpoints: What the training goes on from, and saves itself to; None to do
            neither. A closed form does neither.
    """
    settings = build.settings
    if settings.parts:
        return _train_parts(build, data, log_dir, checkpoints)
    if settings.is_closed_form:
        model = build()
        return model, solve(model, data)
    return fit_and_refit(
        build,
        settings.config,
        data,
        seed=settings.seed,
        log_dir=log_dir,
        name=settings.model.name,
        is_warm=build.start.warm_start is not None,
        checkpoints=checkpoints,
    )


def _train_parts(
    build: ModelBuilder, data: Data, log_dir: str, checkpoints: Checkpoints | None
) -> tuple[tf.keras.Model, Trained]:
    """Trains the models that a model consists of, each as if it were alone."""
    model = build()
    trained = []
    for role, build_part in build.of_parts().items():
        part, figures = train(build_part, data, f"{log_dir}/{role}", checkpoints)
        setattr(model, role, part)
        trained.append(figures)
    epochs = [figures.epochs for figures in trained if figures.epochs is not None]
    return model, Trained(
        seconds=sum(figures.seconds for figures in trained),
        samples_per_second=None,  # of which part?
        epochs=sum(epochs) if epochs else None,
    )


def solve(model: ClosedForm, data: Data, ratings: Ratings | None = None) -> Trained:
    """Solves a closed-form model, in place.

    Args:
        model: The model.
        data: Train and eval records.
        ratings: What to learn from. Without it, both splits: nothing is chosen by the
            eval split then, and in every kind of split it precedes the test and is in
            the history of the test records.

    Raises:
        ValueError: If no rating is a like.
    """
    ratings = ratings or data.ratings_of_both_splits()
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
    checkpoints: Checkpoints | None = None,
) -> tuple[tf.keras.Model, Trained]:
    """Builds a model and fits it; with ``refit`` once more, on the eval split too.

    As in Rendle et al. 2020 (https://arxiv.org/abs/2005.09683), section 3.2: the data
    that were held out to choose the epoch are given back before the model is used.

    Args:
        build: Builds the model; it must be the same one each time.
        config: See ``fit``, as for the other arguments.
        data: Train and eval records.
        seed: Seed of the shuffles and the negatives.
        log_dir: Where to write the training curves for TensorBoard.
        name: Name of the model.
        is_warm: Whether the model starts from a trained one.
        checkpoints: See ``train``.
    """
    model = build()
    first = fit(
        model,
        config,
        data,
        seed=seed,
        log_dir=log_dir,
        name=name,
        is_warm=is_warm,
        checkpoints=checkpoints,
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
        checkpoints=checkpoints,
    )
    return model, dataclasses.replace(
        again,
        seconds=first.seconds + again.seconds,
        # The second training has none if it only joins halves.
        samples_per_second=again.samples_per_second or first.samples_per_second,
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
    on_epoch_end: Callable[[], None] | None = None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Fits a model by gradient descent, and leaves the best epoch's weights in it.

    Args:
        model: The model, built under the strategy that is to train it.
        config: What to learn from, by which loss and for how long.
        data: Train and eval records.
        seed: Seed of the shuffles and the negatives.
        log_dir: Where to write the training curves for TensorBoard.
        name: Name of the model in progress reports.
        is_warm: Whether the model, and so its halves, start from a trained one.
        epochs: ``Trained.best_epochs`` of an earlier fit, to train for as long on both
            splits together; without it, the eval split chooses the epoch.
        on_epoch_end: Called after each epoch of the whole model.
        checkpoints: See ``train``.
    """
    halves = []
    if isinstance(model, TrainedInHalves) and not is_warm:
        halves = _fit_halves(
            model,
            data,
            epochs,
            seed=seed,
            log_dir=log_dir,
            name=name,
            checkpoints=checkpoints,
        )
    ratings = data.ratings_of_both_splits() if epochs else data.train_ratings
    with model.distribute_strategy.scope():  # its replicas divide the batches
        training_set = TRAINING_SETS[config.task](data, ratings, config, seed)
    if isinstance(model, OnAGraph):
        model.connect(data.interactions(ratings.where(ratings.liked())))
    trainee = compiled(model, config, data.sizes, training_set)
    num_epochs = epochs[-1] if epochs else config.epochs
    progress = Progress(name, num_epochs, training_set.pairs)
    callbacks = [progress, tf.keras.callbacks.TensorBoard(log_dir, write_graph=False)]
    if on_epoch_end:
        callbacks.append(
            tf.keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: on_epoch_end()
            )
        )
    validating = None if epochs else validation(model, config, data)
    started = time.monotonic()
    best_epoch = num_epochs
    if validating:
        progress.metric = validating.metric
        metric_before = _measured_before(validating, log_dir) if halves else None
        best_epoch = _run_to_best_epoch(
            trainee, config, validating, callbacks, metric_before, checkpoints
        )
    else:
        _run_epochs(trainee, num_epochs, callbacks, checkpoints)
    seconds = time.monotonic() - started + progress.seconds_before
    return Trained(
        seconds + sum(half.seconds for half in halves),
        progress.samples_per_second,
        progress.epochs_done,
        (*(epoch for half in halves for epoch in half.best_epochs), best_epoch),
    )


def _fit_halves(
    model: TrainedInHalves,
    data: Data,
    epochs: Sequence[int],
    *,
    seed: int,
    log_dir: str,
    name: str,
    checkpoints: Checkpoints | None,
) -> list[Trained]:
    """Fits the halves of a model alone; the arguments are those of ``fit``."""
    return [
        fit(
            half,
            half_config,
            data,
            seed=seed,
            log_dir=f"{log_dir}/{half.name}",
            name=name,
            epochs=epochs[number : number + 1],
            checkpoints=checkpoints,
        )
        for number, (half, half_config) in enumerate(model.pretrain())
    ]


def _run_epochs(
    trainee: Trainee,
    num_epochs: int,
    callbacks: Sequence[tf.keras.callbacks.Callback],
    checkpoints: Checkpoints | None,
) -> None:
    model, training_set = trainee.model, trainee.training_set
    if isinstance(model, OnAGraph):
        propagation = tf.keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: model.propagate()
        )
        callbacks = [propagation, *callbacks]  # the others score the model
    if checkpoints:
        saver = checkpoints.of_next_fit(trainee, num_epochs, callbacks)
        callbacks = [*callbacks, saver]
    batches = training_set.batches_from(trainee.steps_done)
    trainee.fit(
        devices.share(trainee.distribute_strategy, batches, training_set.batch_size),
        epochs=num_epochs,
        steps_per_epoch=training_set.steps,
        verbose=0,
        callbacks=callbacks,
    )


def _measured_before(validating: Validation, log_dir: str) -> float:
    """Returns the metric of the halves as they were joined, and logs it as epoch 0."""
    metric = validating.measure()
    # Where Keras' callback writes the epochs, of which it numbers the first one 0.
    with tf.summary.create_file_writer(f"{log_dir}/train").as_default():
        tf.summary.scalar(f"epoch_{validating.metric}", metric, step=-1)
    return metric


def _run_to_best_epoch(
    trainee: Trainee,
    config: GradientConfig,
    validating: Validation,
    callbacks: Sequence[tf.keras.callbacks.Callback],
    metric_before: float | None,
    checkpoints: Checkpoints | None,
) -> int:
    """Runs epochs until the eval metric gets no better.

    Args:
        trainee: What to train.
        config: The number of epochs, and the patience.
        validating: Measures the eval metric.
        callbacks: Are called after each epoch.
        metric_before: The eval metric of a pre-trained model; None of a new one.
        checkpoints: See ``train``.

    Returns:
        The number of the best epoch, from 1, of which the model has the weights; 0 if
        it is pre-trained and no epoch was better than none.
    """
    weights_before = None if metric_before is None else trainee.get_weights()
    early_stopping = tf.keras.callbacks.EarlyStopping(
        validating.metric,
        mode=validating.mode,
        patience=config.patience,
        restore_best_weights=True,
    )
    # The others read the metric that ``validating`` adds to the logs.
    callbacks = [validating, *callbacks, early_stopping]
    _run_epochs(trainee, config.epochs, callbacks, checkpoints)
    is_better = early_stopping.monitor_op
    if weights_before is not None and not is_better(early_stopping.best, metric_before):
        trainee.set_weights(weights_before)
        return 0
    # Keras restores them only if it stopped early, and not after the last epoch.
    trainee.set_weights(early_stopping.best_weights)
    best_epoch: int = early_stopping.best_epoch + 1
    return best_epoch
