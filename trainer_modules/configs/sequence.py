"""Settings of the models that read the order of a history."""

import dataclasses
from typing import Literal

from trainer_modules.configs.base import GradientConfig, Task
from trainer_modules.configs.types import (
    Count,
    LayerSize,
    Positive,
    Share,
    ShareBelow1,
)


@dataclasses.dataclass(frozen=True)
class SequenceConfig(GradientConfig):
    """Settings of all models that read the order of a history.

    Attributes:
        max_history_length: L, the number of a user's last items that are read.
    """

    task: Task = "next_item"
    max_history_length: LayerSize = 50


@dataclasses.dataclass(frozen=True)
class AttRecConfig(SequenceConfig):
    """Zhang et al. 2018, in the sizes that did best on MovieLens 1M's eval split.

    Attributes:
        embedding_dim: D, the length of each of the four vectors.
        mode: Scores are ``inner`` products, or negative squared distances (``dist``,
            with the loss ``hinge``) of vectors no longer than 1.
        long_term_weight: W, the weight of the user's factors; the last items have the
            rest.
        dropout_rate: Dropout rate of the last items' vectors.
    """

    learning_rate: Positive = 0.004
    patience: Count = 3
    max_history_length: LayerSize = 10
    embedding_dim: LayerSize = 64
    mode: Literal["inner", "dist"] = "inner"
    long_term_weight: Share = 0.5
    dropout_rate: ShareBelow1 = 0.2
