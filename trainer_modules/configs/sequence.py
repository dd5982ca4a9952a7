"""Settings of the models that read the order of a history."""

import dataclasses
from typing import Literal

from trainer_modules.configs.base import GradientConfig, Loss, Task
from trainer_modules.configs.search import HALF, Choice, Range, searched
from trainer_modules.configs.types import (
    Count,
    CountOrZero,
    LayerSize,
    LayerSizes,
    NonNegative,
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
class CausalConfig(SequenceConfig):
    """Settings of all models that learn every next item of a history in one pass.

    Attributes:
        num_negatives: N, the number of items that a step compares its targets with:
            the whole catalogue if it has no more, otherwise a new sample for each step,
            which all targets share. Except for the softmax over the whole catalogue, a
            step needs about 10 N bytes of memory for each target, of which there are up
            to ``batch_size * max_history_length``.
        batch_size: Maximum number of histories per step, over all replicas.
        embedding_dim: D, the length of each item's vector, and of each state.
    """

    task: Task = "sequence"
    loss: Loss = "softmax"
    epochs: Count = 100
    patience: Count = 10
    max_history_length: LayerSize = searched(200, Choice((50, 100, 200)))
    num_negatives: Count = 4096
    batch_size: Count = 128
    learning_rate: Positive = 0.001
    embedding_dim: LayerSize = searched(64, Choice((32, 64, 128)))

    @property
    def reads_times(self) -> bool:
        """Whether the model reads when its user rated the last items."""
        return False


@dataclasses.dataclass(frozen=True)
class AttentionConfig(CausalConfig):
    """Settings of all causal models made of blocks of attention.

    Attributes:
        blocks: Number of blocks.
        heads: Number of heads of each, among which ``embedding_dim`` is divided.
        dropout_rate: Dropout rate of the last items' vectors and within each block.
    """

    blocks: LayerSize = searched(2, Range(1, 4))
    heads: LayerSize = searched(1, Choice((1, 2, 4)))
    dropout_rate: ShareBelow1 = searched(0.1, HALF)

    def __post_init__(self) -> None:
        if self.embedding_dim % self.heads:
            raise ValueError(
                f"embedding_dim is {self.embedding_dim}, which {self.heads} heads "
                "cannot share equally"
            )


@dataclasses.dataclass(frozen=True)
class SASRecConfig(AttentionConfig):
    """Kang and McAuley 2018, in the sizes of Klenitskiy and Vasilev 2023.

    Their code has them (https://github.com/antklen/sasrec-bert4rec-recsys23).

    Attributes:
        inner_dim: Units of the inner layer of each block's network.
    """

    inner_dim: LayerSize = 64


@dataclasses.dataclass(frozen=True)
class GRU4RecConfig(CausalConfig):
    """Hidasi et al. 2016, in the sizes of Klenitskiy and Vasilev 2023.

    Their code has them (https://github.com/antklen/sasrec-bert4rec-recsys23).

    Attributes:
        hidden_units: Units of each recurrent layer.
        dropout_rate: Dropout rate of the items' vectors.
    """

    hidden_units: LayerSizes = searched((64,), Choice(((64,), (128,), (64, 64))))
    dropout_rate: ShareBelow1 = searched(0.1, HALF)


@dataclasses.dataclass(frozen=True)
class HSTUConfig(AttentionConfig):
    """Zhai et al. 2024, with few blocks and much dropout, for data of any size.

    From little data, the dropout rate of .2 of their code
    (https://github.com/facebookresearch/generative-recommenders) remembers histories:
    on the checkerboard of the tests, three of four seeds failed. Their HSTU-large for
    MovieLens 1M has ``embedding_dim`` 50, 8 blocks and 2 heads.

    Attributes:
        temperature: Number by which the cosines of states and items are divided.
        time_bias: Whether attention has a bias by the time between two items, beside
            the one by their distance.
    """

    heads: LayerSize = 2
    dropout_rate: ShareBelow1 = 0.5
    temperature: Positive = searched(0.05, Range(0.02, 0.2, log=True))
    time_bias: bool = True

    @property
    def reads_times(self) -> bool:
        """Whether the model reads when its user rated the last items."""
        return self.time_bias


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
    num_negatives: CountOrZero = searched(4, Choice((1, 4, 16)))
    negative_power: NonNegative = searched(0.0, Range(0.0, 1.0))
    max_history_length: LayerSize = searched(10, Range(5, 50, log=True))
    embedding_dim: LayerSize = searched(64, Range(16, 256, log=True))
    mode: Literal["inner", "dist"] = "inner"
    long_term_weight: Share = searched(0.5, Range(0.0, 1.0))
    dropout_rate: ShareBelow1 = searched(0.2, HALF)

    def __post_init__(self) -> None:
        if self.mode == "dist" and self.optimizer == "lazy_adam":
            raise ValueError(
                "optimizer is lazy_adam, which cannot bound the vectors that mode dist "
                "compares; choose adam"
            )
