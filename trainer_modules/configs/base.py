"""Settings that every model trained by gradient descent shares.

Kept apart from the models so that the command line can list and check settings without
importing TensorFlow (docs/adr/0003). Values reach a Trainer as JSON; ``parse`` is the
only place that turns lists back into tuples.
"""

import dataclasses
from typing import Literal

from trainer_modules.configs.search import Range, searched
from trainer_modules.configs.types import (
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    ShareAbove0,
)

Task = Literal["rating", "retrieval", "in_batch", "next_item", "sequence"]
Loss = Literal[
    "cross_entropy", "balanced_cross_entropy", "squared_error", "bpr", "hinge", "warp",
    "softmax", "gbce",
]  # fmt: skip
Optimizer = Literal["auto", "adagrad", "adam", "ftrl", "lazy_adam", "sgd"]
Activation = Literal[
    "elu", "gelu", "leaky_relu", "linear", "mish", "relu", "selu", "sigmoid", "swish",
    "tanh",
]  # fmt: skip

IN_ORDER = ("next_item", "sequence")  # tasks that learn from the order of ratings
# Tasks that only their own models learn, which learn nothing else.
EXCLUSIVE = (*IN_ORDER, "in_batch")
# The losses of each task: of labels or stars, or of an order.
ORDER_LOSSES = ("cross_entropy", "balanced_cross_entropy", "bpr", "hinge", "warp")
LOSSES: dict[str, tuple[str, ...]] = {
    "rating": ("cross_entropy", "squared_error"),
    "retrieval": ORDER_LOSSES,
    "in_batch": ("softmax",),
    "next_item": ORDER_LOSSES,
    "sequence": ("softmax", "gbce"),
}


@dataclasses.dataclass(frozen=True)
class TunableConfig:
    """Settings of every model that has settings.

    Attributes:
        tuned: ``auto`` takes the settings that ``marquee tune`` found last for the
            model in the folder of the runs, except those that are set beside it.
    """

    tuned: Literal["off", "auto"] = "off"


@dataclasses.dataclass(frozen=True)
class GradientConfig(TunableConfig):
    """Settings of every model that is trained by gradient descent.

    Attributes:
        task: What the model learns from: ``rating`` (the ratings as they are),
            ``retrieval`` (liked items against sampled ones), ``in_batch`` (liked items
            against those of the other pairs in the batch), ``next_item`` (the next
            liked item against sampled ones) or ``sequence`` (every next liked item of a
            history against the catalogue or items sampled from it).
        loss: The loss; which ones are possible depends on ``task``.
        epochs: Maximum number of passes over the training pairs.
        batch_size: Maximum number of positives or ratings per step, over all replicas;
            small data sets use smaller batches.
        learning_rate: Learning rate of ``optimizer``. With ``sgd`` it applies to a full
            batch, and smaller batches scale it down in proportion.
        learning_rate_decay: Factor by which the learning rate falls over an epoch.
        optimizer: ``auto`` chooses ``lazy_adam``, which leaves the moments of rows
            outside the batch alone, if there are many users or items whose vectors have
            no bound, and otherwise ``adam``. ``adagrad`` starts from a squared gradient
            of 1 for each row of a batch, as LightFM does, so that its learning rate is
            that of a single row.
        num_negatives: Items sampled for each positive or rating, anew in every epoch.
        negative_power: Beta: an item is sampled in proportion to popularity^beta. 0
            samples all items alike.
        patience: Number of epochs without a better eval metric after which training
            stops.
        refit: Once the eval split has chosen the number of epochs, train from scratch
            for as long on the train and eval splits together. Takes up to twice the
            time.
    """

    task: Task = "retrieval"
    loss: Loss = "cross_entropy"
    epochs: Count = 30
    batch_size: Count = 4096
    learning_rate: Positive = searched(0.003, Range(3e-4, 3e-2, log=True))
    learning_rate_decay: ShareAbove0 = 1.0
    optimizer: Optimizer = "auto"
    num_negatives: CountOrZero = 4
    negative_power: NonNegative = 0.0
    patience: Count = 5
    refit: bool = False
