"""The settings of every model, as the papers name them.

Kept apart from the models so that the command line can list and check them without
importing TensorFlow (docs/adr/0003). Values cross JSON on their way to a Trainer:
``parse`` is the only place that turns lists back into tuples.
"""

import dataclasses
from typing import Annotated, Literal

from msgspec import Meta

Task = Literal["rating", "retrieval", "next_item"]
Loss = Literal[
    "cross_entropy", "balanced_cross_entropy", "squared_error", "bpr", "hinge", "warp"
]
Optimizer = Literal["auto", "adam", "ftrl", "lazy_adam", "sgd"]
Activation = Literal[
    "elu", "gelu", "leaky_relu", "linear", "mish", "relu", "selu", "sigmoid", "swish",
    "tanh",
]  # fmt: skip

AT_LEAST_0 = Meta(ge=0, description="a whole number, at least 0")

# What each task can learn by: from labels or stars, or from an order.
OF_AN_ORDER = ("cross_entropy", "balanced_cross_entropy", "bpr", "hinge", "warp")
LOSSES: dict[str, tuple[str, ...]] = {
    "rating": ("cross_entropy", "squared_error"),
    "retrieval": OF_AN_ORDER,
    "next_item": OF_AN_ORDER,
}


@dataclasses.dataclass(frozen=True)
class GradientConfig:
    """What every model that learns by gradient descent has.

    Attributes:
        task: ``rating`` (from the ratings there are), ``retrieval`` (from what was
            liked, against drawn items) or ``next_item`` (the same, of what came next).
        loss: ``LOSSES`` has those of each task.
        epochs: At most this many passes over the training pairs.
        batch_size: Positives or ratings in a step at most, over all replicas; few data
            take less.
        learning_rate: Of the optimizer; of ``sgd`` for a full batch, and in proportion
            for the smaller ones of few data.
        learning_rate_decay: What the learning rate is multiplied by over an epoch.
        optimizer: ``auto`` is ``lazy_adam``, which leaves the moments of untouched rows
            alone, where the users or the items are many, and else ``adam``.
        num_negatives: Items drawn for each positive or rating, anew in every epoch.
        negative_power: Beta; an item is drawn in proportion to popularity^beta.
        patience: Epochs without a better eval metric before training stops.
        refit: Once the eval split has chosen the epoch, train anew for as long on both
            splits together; takes up to twice the time.
    """

    task: Task = "retrieval"
    loss: Loss = "cross_entropy"
    epochs: int = 30
    batch_size: int = 4096
    learning_rate: float = 0.003
    learning_rate_decay: float = 1.0
    optimizer: Optimizer = "auto"
    num_negatives: Annotated[int, AT_LEAST_0] = 4
    negative_power: float = 0.0
    patience: int = 5
    refit: bool = False
