"""Settings of matrix factorization and its neural relatives."""

import dataclasses
from typing import Annotated

from trainer_modules.configs.base import (
    AT_LEAST_0,
    GradientConfig,
    Loss,
    Optimizer,
    Task,
)


@dataclasses.dataclass(frozen=True)
class GMFConfig(GradientConfig):
    """He et al. 2017, section 4.1: 8 predictive factors.

    Attributes:
        embedding_dim: D, the "predictive factors".
        stddev: Of the random start.
        l2: Weight decay of the embeddings that a batch reads.
    """

    embedding_dim: int = 8
    stddev: float = 0.01
    l2: float = 0.0


@dataclasses.dataclass(frozen=True)
class MLPConfig(GradientConfig):
    """He et al. 2017, section 4.1: 8 predictive factors, a tower of three layers.

    Attributes:
        hidden_units: The tower; its input is two vectors of half the first width.
        dropout_rate: Before each layer.
        l2: Weight decay of the embeddings that a batch reads.
    """

    hidden_units: tuple[int, ...] = (64, 32, 16, 8)
    dropout_rate: float = 0.0
    l2: float = 0.0


@dataclasses.dataclass(frozen=True)
class MFSGDConfig(GradientConfig):
    """Koren et al. 2009, by stochastic gradient descent as in Funk's and Surprise.

    The gradient is of a batch's mean, where theirs is of half a rating's squared error:
    ``learning_rate`` is theirs x batch_size / 2, as in 0.005 x 4096 / 2 = 10. Labels
    from drawn items (``task: retrieval``, Rendle et al. 2020) have no half, and a mean
    over the drawn ones too: theirs x batch_size x (1 + num_negatives).

    Attributes:
        embedding_dim: D, the factors.
        l2: Lambda of equation 5, for vectors and biases; on MovieLens, where Surprise's
            0.02 overfits.
        stddev: Of the vectors' random start.
    """

    task: Task = "rating"
    loss: Loss = "squared_error"
    optimizer: Optimizer = "sgd"
    epochs: int = 100
    learning_rate: float = 10.0
    num_negatives: Annotated[int, AT_LEAST_0] = 0
    patience: int = 3
    embedding_dim: int = 100
    l2: float = 0.07
    stddev: float = 0.1


@dataclasses.dataclass(frozen=True)
class NeuMFConfig(MLPConfig):
    """He et al. 2017, section 4.1: 8 predictive factors, a tower of three layers.

    Attributes:
        embedding_dim: Length of the GMF half's vectors, the "predictive factors".
        pretraining_epochs: At most, of each half alone before both are joined.
        pretraining_learning_rate: Of Adam, which trains the halves.
        alpha: Weight of the GMF half where they are joined; the MLP half has the rest.
    """

    embedding_dim: int = 8
    pretraining_epochs: int = 0
    pretraining_learning_rate: float = 0.003
    alpha: float = 0.5


@dataclasses.dataclass(frozen=True)
class NCFConfig(GradientConfig):
    """RecLearn's NCF.

    Attributes:
        embedding_dim: D, of the vectors of both halves.
        hidden_units: The tower, its input apart.
        dropout_rate: Before each of its layers.
        l2: Weight decay of the embeddings that a batch reads.
    """

    loss: Loss = "balanced_cross_entropy"
    embedding_dim: int = 32
    hidden_units: tuple[int, ...] = (256, 128, 64)
    dropout_rate: float = 0.2
    l2: float = 1e-6


@dataclasses.dataclass(frozen=True)
class WARPMFConfig(GradientConfig):
    """Weston et al. 2011; the sizes are LightFM's.

    Attributes:
        num_negatives: Trials to find an item that is scored too high.
        embedding_dim: D, of each value's vector.
        stddev: Of the random start.
        l2: Weight decay of the users and items in a batch.
    """

    loss: Loss = "warp"
    num_negatives: int = 10
    embedding_dim: int = 10
    stddev: float = 0.1
    l2: float = 0.0
