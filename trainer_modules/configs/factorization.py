"""Settings of matrix factorization and its neural relatives."""

import dataclasses
from typing import Annotated

from msgspec import Meta

from trainer_modules.configs.base import GradientConfig, Loss, Optimizer, Task
from trainer_modules.configs.search import DECAY, HALF, Choice, Range, searched
from trainer_modules.configs.types import (
    Count,
    CountOrZero,
    LayerSize,
    LayerSizes,
    NonNegative,
    Positive,
    Share,
    ShareAbove0,
    ShareBelow1,
)

NEGATIVES = Choice((1, 2, 4, 8, 16))  # what the Tuner tries

# The first width is that of the input, the second that of the first layer.
TowerSizes = Annotated[tuple[LayerSize, ...], Meta(min_length=2)]


@dataclasses.dataclass(frozen=True)
class GMFConfig(GradientConfig):
    """He et al. 2017, section 4.1: 8 predictive factors.

    Attributes:
        embedding_dim: D, the number of "predictive factors".
        stddev: Standard deviation of the initial vectors. Above 0: from vectors of 0,
            nothing is learned.
        l2: Weight decay of the vectors that a batch reads.
    """

    num_negatives: CountOrZero = searched(4, NEGATIVES)
    embedding_dim: LayerSize = searched(8, Range(8, 256, log=True))
    stddev: Positive = 0.01
    l2: NonNegative = searched(0.0, DECAY)


@dataclasses.dataclass(frozen=True)
class MLPConfig(GradientConfig):
    """He et al. 2017, section 4.1: 8 predictive factors, a tower of three layers.

    Attributes:
        hidden_units: Widths of the tower, its input first, which is the user's vector
            and the item's, each half as wide. So the first width is at least 2, and
            there are at least two widths.
        dropout_rate: Dropout rate before each layer.
        l2: Weight decay of the vectors that a batch reads.
    """

    num_negatives: CountOrZero = searched(4, NEGATIVES)
    hidden_units: TowerSizes = searched(
        (64, 32, 16, 8), Choice(((64, 32, 16, 8), (128, 64, 32, 16), (256, 128, 64)))
    )
    dropout_rate: ShareBelow1 = searched(0.0, HALF)
    l2: NonNegative = searched(0.0, DECAY)

    def __post_init__(self) -> None:
        """Rejects an input that cannot be divided between user and item."""
        if self.hidden_units[0] < 2:
            raise ValueError(
                f"hidden_units starts with {self.hidden_units[0]}, which user and item "
                "cannot share; expected at least 2"
            )


@dataclasses.dataclass(frozen=True)
class MFSGDConfig(GradientConfig):
    """Koren et al. 2009, by stochastic gradient descent as in Funk's and Surprise.

    The gradient is that of a batch's mean, whereas theirs is that of half a rating's
    squared error: ``learning_rate`` is theirs x batch_size / 2, as in
    0.005 x 4096 / 2 = 10. Labels of sampled items (``task: retrieval``, Rendle et al.
    2020) have no half, and are a mean over the sampled items, too: theirs x batch_size
    x (1 + num_negatives).

    Attributes:
        embedding_dim: D, the number of factors.
        l2: Lambda of equation 5, for vectors and biases. The default is for MovieLens,
            where Surprise's 0.02 overfits.
        stddev: Standard deviation of the initial vectors; with 0 they stay 0, and only
            the biases are learned.
    """

    task: Task = "rating"
    loss: Loss = "squared_error"
    optimizer: Optimizer = "sgd"
    epochs: Count = 100
    learning_rate: Positive = searched(10.0, Range(1.0, 100.0, log=True))
    num_negatives: CountOrZero = 0
    patience: Count = 3
    embedding_dim: LayerSize = searched(100, Range(8, 256, log=True))
    l2: NonNegative = searched(0.07, Range(1e-3, 0.5, log=True))
    stddev: NonNegative = 0.1


@dataclasses.dataclass(frozen=True)
class HalfConfig:
    """How a half of NeuMF is trained alone, by Adam; He et al. 2017, section 3.4.1.

    Attributes:
        epochs: Maximum number of passes over the training pairs; 0 for a half that is
            not trained alone.
        batch_size: Maximum number of positives per step.
        learning_rate: Learning rate of Adam.
        learning_rate_decay: Factor by which the learning rate falls over an epoch.
        num_negatives: Items sampled for each positive.
        l2: Weight decay of the vectors that a batch reads.
    """

    epochs: CountOrZero = 0
    batch_size: Count = 4096
    learning_rate: Positive = 0.003
    learning_rate_decay: ShareAbove0 = 1.0
    num_negatives: CountOrZero = 4
    l2: NonNegative = 0.0


@dataclasses.dataclass(frozen=True)
class NeuMFConfig(MLPConfig):
    """He et al. 2017, section 4.1: 8 predictive factors, a tower of three layers.

    The other settings are those of the whole: without pre-training, or once its halves
    are joined, for which the paper uses ``sgd``. ``patience`` holds for each half, too.

    Attributes:
        embedding_dim: Length of the GMF half's vectors, the "predictive factors".
        stddev: Standard deviation of the GMF half's initial vectors. Above 0: from
            vectors of 0, nothing is learned.
        gmf: How the GMF half is trained alone before the two are joined.
        mlp: How the MLP half is trained alone before the two are joined.
        alpha: Weight of the GMF half where the two are joined if both are pre-trained;
            the MLP half has the rest.
    """

    embedding_dim: LayerSize = searched(8, Range(8, 256, log=True))
    stddev: Positive = 0.01
    gmf: HalfConfig = HalfConfig()
    mlp: HalfConfig = HalfConfig()
    alpha: Share = 0.5


@dataclasses.dataclass(frozen=True)
class NCFConfig(GradientConfig):
    """RecLearn's NCF.

    Attributes:
        embedding_dim: D, the length of the vectors of both halves.
        hidden_units: Widths of the tower's layers, without its input.
        dropout_rate: Dropout rate before each layer of the tower.
        l2: Weight decay of the vectors that a batch reads.
    """

    loss: Loss = "balanced_cross_entropy"
    num_negatives: CountOrZero = searched(4, NEGATIVES)
    embedding_dim: LayerSize = searched(32, Range(8, 256, log=True))
    hidden_units: LayerSizes = searched(
        (256, 128, 64), Choice(((64, 32), (128, 64, 32), (256, 128, 64)))
    )
    dropout_rate: ShareBelow1 = searched(0.2, HALF)
    l2: NonNegative = searched(1e-6, DECAY)


@dataclasses.dataclass(frozen=True)
class LightGCNConfig(GradientConfig):
    """He et al. 2020: vectors of 64 numbers, 3 layers, a sampled item per like.

    The authors' program has a learning rate of .001 and an l2 of .0001, for many more
    epochs. On MovieLens 100K (eval split of a random one), .003 and .0001 reach an nDCG
    of .488 after 53 epochs; the defaults, in batches of 2,048, .490 after 24.

    Attributes:
        embedding_dim: D, the length of each vector.
        num_layers: K, how many times vectors propagate to their neighbours.
        stddev: Standard deviation of the initial vectors. Above 0: from vectors of 0,
            nothing is learned.
        l2: Weight decay of the vectors of layer 0 that a batch reads.
    """

    loss: Loss = "bpr"
    epochs: Count = 60
    learning_rate: Positive = 0.01
    num_negatives: CountOrZero = searched(1, NEGATIVES)
    embedding_dim: LayerSize = searched(64, Range(8, 256, log=True))
    num_layers: Count = searched(3, Range(1, 4))
    stddev: Positive = 0.1
    l2: NonNegative = searched(0.001, DECAY)


@dataclasses.dataclass(frozen=True)
class WARPMFConfig(GradientConfig):
    """Weston et al. 2011; the sizes are LightFM's.

    Attributes:
        num_negatives: Number of trials to find an item that is scored too high.
        embedding_dim: D, the length of each value's vector.
        stddev: Standard deviation of the initial vectors; with 0 they stay 0, and only
            the biases are learned.
        l2: Weight decay of the users and items in a batch.
    """

    loss: Loss = "warp"
    num_negatives: CountOrZero = searched(10, Range(5, 40, log=True))
    embedding_dim: LayerSize = searched(10, Range(8, 256, log=True))
    stddev: NonNegative = 0.1
    l2: NonNegative = searched(0.0, DECAY)


@dataclasses.dataclass(frozen=True)
class TwoTowerConfig(GradientConfig):
    """Yi et al. 2019, section 3, with the id dropout of Volkovs et al. 2017.

    Attributes:
        num_negatives: 0: the other items of a batch are the negatives.
        embedding_dim: D, the length of the vectors of fields, users and items.
        hidden_units: Widths of the hidden layers of each tower.
        id_dropout_rate: Share of the ids of users and items that training hides, so
            that it learns to score by side features alone.
        stddev: Standard deviation of the initial vectors. Above 0: from vectors of 0,
            nothing is learned.
        l2: Weight decay of the users' and items' vectors in a batch.
    """

    task: Task = "in_batch"
    loss: Loss = "softmax"
    batch_size: Count = 1024
    num_negatives: CountOrZero = 0
    embedding_dim: LayerSize = searched(64, Range(16, 256, log=True))
    hidden_units: LayerSizes = searched((128,), Choice(((64,), (128,), (256, 128))))
    id_dropout_rate: ShareBelow1 = searched(0.5, Range(0.1, 0.9))
    stddev: Positive = 0.05
    l2: NonNegative = searched(0.0, DECAY)
