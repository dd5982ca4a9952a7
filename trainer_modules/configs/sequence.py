"""Settings of the models that read the order of a history."""

import dataclasses
from typing import Annotated, Literal

from msgspec import Meta

from trainer_modules.configs.base import GradientConfig, Task


@dataclasses.dataclass(frozen=True)
class SequenceConfig(GradientConfig):
    """What the models that read the order of a history have.

    Attributes:
        max_history_length: L, the last items that are read.
    """

    task: Task = "next_item"
    max_history_length: int = 50


@dataclasses.dataclass(frozen=True)
class AttRecConfig(SequenceConfig):
    """Zhang et al. 2018, in the sizes that did best on MovieLens 1M's eval split.

    Attributes:
        embedding_dim: D, of each of the four vectors.
        mode: Scores are ``inner`` products, or negative squared distances (``dist``,
            with the loss ``hinge``) of vectors no longer than 1.
        long_term_weight: W, of the user's factors; the last items have the rest.
        dropout_rate: Of the last items' embeddings.
    """

    learning_rate: float = 0.004
    patience: int = 3
    max_history_length: int = 10
    embedding_dim: int = 64
    mode: Literal["inner", "dist"] = "inner"
    long_term_weight: Annotated[
        float, Meta(ge=0, le=1, description="a number from 0 to 1")
    ] = 0.5
    dropout_rate: float = 0.2
