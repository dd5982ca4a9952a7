"""Compiles a model for training: its loss, and an optimizer for each of its parts."""

import tensorflow as tf

from trainer_modules import addons
from trainer_modules.configs.base import GradientConfig
from trainer_modules.fused_adam import FusedAdam
from trainer_modules.protocols import PartlyOptimizedApart
from trainer_modules.sizes import Sizes
from trainer_modules.tasks.losses import loss_named
from trainer_modules.tasks.task import Trainee, TrainingSet

MANY_ROWS = 100_000  # of a table: LazyAdam takes half of Adam's time from here on
STEPS_PER_CALL = 64  # training steps between two returns to Python
OPTIMIZERS = {
    "adagrad": tf.keras.optimizers.Adagrad,
    "adam": FusedAdam,
    "ftrl": tf.keras.optimizers.Ftrl,
    "lazy_adam": addons.LazyAdam,
    "sgd": tf.keras.optimizers.SGD,
}


def compiled(
    model: tf.keras.Model,
    config: GradientConfig,
    sizes: Sizes,
    training_set: TrainingSet,
) -> Trainee:
    """Returns the model with its loss and its optimizers, ready to be fitted.

    Args:
        model: The model, built under the strategy that is to train it.
        config: The loss, the optimizer and its learning rate.
        sizes: Table sizes; they decide which optimizer ``auto`` means.
        training_set: The batches; their size and number scale the learning rate.
    """
    learning_rate = config.learning_rate
    if config.optimizer == "sgd":
        # Its losses are sums over rows: each row counts as much in a batch of any size.
        learning_rate *= training_set.batch_size / config.batch_size
    # LazyAdam's sparse steps cannot bound vectors.
    is_lazy = max(sizes.num_users, sizes.num_items) >= MANY_ROWS and not any(
        getattr(layer, "embeddings_constraint", None) for layer in model.submodules
    )
    parts = model.optimized_apart if isinstance(model, PartlyOptimizedApart) else []
    optimizers = [(config.optimizer, learning_rate)]
    optimizers += [(optimizer, rate) for _, optimizer, rate in parts]

    def decaying(rate: float) -> tf.keras.optimizers.schedules.LearningRateSchedule:
        return tf.keras.optimizers.schedules.ExponentialDecay(
            rate, training_set.steps, config.learning_rate_decay
        )

    with model.distribute_strategy.scope():
        trainee = Trainee(
            model,
            loss_named(config.loss, sizes.num_items),
            training_set,
            [layer for layer, _, _ in parts],
            decaying(config.learning_rate),
        )
        trainee.compile(
            optimizer=[
                _optimizer(optimizer, decaying(rate), is_lazy, training_set.batch_size)
                for optimizer, rate in optimizers
            ],
            steps_per_execution=min(training_set.steps, STEPS_PER_CALL),
        )
        trainee.create_variables()
    return trainee


def _optimizer(
    name: str,
    learning_rate: tf.keras.optimizers.schedules.LearningRateSchedule,
    is_lazy: bool,
    batch_size: int,
) -> tf.keras.optimizers.Optimizer:
    if name == "auto":
        name = "lazy_adam" if is_lazy else "adam"
    if name == "adagrad":
        # The loss is a mean over the batch. Divided by its size, a row's gradient of 1
        # has this square, from which LightFM starts: the learning rate is that of a
        # single row, whatever the size of the batch. An epsilon would exceed it.
        start = batch_size**-2
        return tf.keras.optimizers.Adagrad(learning_rate, start, epsilon=0.0)
    return OPTIMIZERS[name](learning_rate)
