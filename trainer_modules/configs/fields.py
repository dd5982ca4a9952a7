"""Settings of the models over all fields."""

import dataclasses
from typing import Literal

from trainer_modules.configs.base import Activation, GradientConfig, Optimizer, Task
from trainer_modules.configs.search import DECAY, HALF, Choice, Given, Range, searched
from trainer_modules.configs.types import (
    Count,
    CountOrZero,
    LayerSize,
    LayerSizes,
    NonNegative,
    Positive,
    ShareBelow1,
)


@dataclasses.dataclass(frozen=True)
class FieldsConfig(GradientConfig):
    """Settings of all models over fields; the sizes are those of RecBole's runs.

    Beside each rating they learn items that are drawn, as they otherwise rank no better
    than chance among items that the user has not rated (docs/adr/0050). With
    ``num_negatives`` 0, they are click-through models: likes from dislikes alone.

    Attributes:
        embedding_dim: D, the length of each field's vector.
        l2: Weight decay of the fields' vectors that a batch reads.
    """

    task: Task = "rating"
    num_negatives: CountOrZero = searched(4, Choice((0, 1, 4)))
    negative_power: NonNegative = searched(
        0.0, Given(Range(0.0, 1.0), "num_negatives", unless=(0,))
    )
    patience: Count = 3
    embedding_dim: LayerSize = searched(16, Range(4, 64, log=True))
    l2: NonNegative = searched(0.0, DECAY)


@dataclasses.dataclass(frozen=True)
class FMConfig(FieldsConfig):
    """Rendle 2010."""

    learning_rate: Positive = 0.01


@dataclasses.dataclass(frozen=True)
class AFMConfig(FieldsConfig):
    """Xiao et al. 2017, in the setting that did best on MovieLens 1M's eval split.

    Attributes:
        attention_units: Width of the attention network's hidden layer.
        attention_dropout_rate: Dropout rate within the attention network.
        attention_l2: Lambda of equation 10: decay of the attention network's matrix.
        dropout_rate: Dropout rate of the pooled vector.
    """

    learning_rate: Positive = 0.006
    patience: Count = 2
    l2: NonNegative = 0.005
    attention_units: LayerSize = searched(32, Range(8, 64, log=True))
    attention_dropout_rate: ShareBelow1 = 0.0
    attention_l2: NonNegative = searched(0.01, Range(1e-4, 1.0, log=True))
    dropout_rate: ShareBelow1 = searched(0.1, HALF)


@dataclasses.dataclass(frozen=True)
class FieldsTowerConfig(FieldsConfig):
    """Settings of the models with a deep network over all fields.

    Narrower than the [256]x3 that RecBole published, for speed.

    Attributes:
        hidden_units: Widths of the deep network's layers.
        activation: Activation of each layer of the deep network.
        dropout_rate: Dropout rate before each layer of the deep network.
    """

    learning_rate: Positive = 0.005
    patience: Count = 2
    l2: NonNegative = 0.001
    hidden_units: LayerSizes = searched(
        (128, 128), Choice(((64, 64), (128, 128), (256, 256, 256)))
    )
    activation: Activation = "relu"
    dropout_rate: ShareBelow1 = searched(0.2, HALF)


@dataclasses.dataclass(frozen=True)
class DeepFMConfig(FieldsTowerConfig):
    """Guo et al. 2017."""

    learning_rate: Positive = 0.003
    patience: Count = 3
    l2: NonNegative = 0.0
    dropout_rate: ShareBelow1 = 0.1


@dataclasses.dataclass(frozen=True)
class AutoIntConfig(FieldsTowerConfig):
    """Song et al. 2019.

    Attributes:
        hidden_units: Widths of the deep network's layers; an empty list for no deep
            network.
        num_layers: Number of attention layers.
        num_heads: Number of heads of each attention layer.
        head_dim: Length of each head's vectors.
    """

    hidden_units: tuple[LayerSize, ...] = (128, 128)
    num_layers: Count = searched(1, Range(1, 3))
    num_heads: LayerSize = searched(2, Choice((1, 2, 4)))
    head_dim: LayerSize = searched(8, Range(4, 32, log=True))


@dataclasses.dataclass(frozen=True)
class DCNConfig(FieldsTowerConfig):
    """Wang et al. 2017 and 2021.

    Attributes:
        cross: A cross layer's weights are a ``vector`` (2017) or a ``matrix`` (2021).
        num_layers: Number of cross layers.
    """

    cross: Literal["vector", "matrix"] = searched(
        "matrix", Choice(("vector", "matrix"))
    )
    num_layers: Count = searched(2, Range(1, 4))


@dataclasses.dataclass(frozen=True)
class IPNNConfig(FieldsTowerConfig):
    """Qu et al. 2016, with inner products."""


@dataclasses.dataclass(frozen=True)
class OPNNConfig(FieldsTowerConfig):
    """Qu et al. 2016, with outer products.

    Attributes:
        kernel: Weights of a pair's outer product: a ``matrix``, or a ``vector`` for
            its diagonal alone.
    """

    kernel: Literal["matrix", "vector"] = searched(
        "matrix", Choice(("matrix", "vector"))
    )


@dataclasses.dataclass(frozen=True)
class WideDeepConfig(FieldsTowerConfig):
    """Cheng et al. 2016.

    Attributes:
        wide_optimizer: Optimizer of the linear part; ``optimizer`` trains the deep one.
        wide_learning_rate: Learning rate of the linear part.
    """

    wide_optimizer: Optimizer = "ftrl"
    wide_learning_rate: Positive = searched(0.1, Range(0.01, 1.0, log=True))


@dataclasses.dataclass(frozen=True)
class XDeepFMConfig(FieldsTowerConfig):
    """Lian et al. 2018.

    Attributes:
        cin_units: Number of feature maps in each layer of the compressed interaction
            network.
    """

    cin_units: LayerSizes = searched((16, 16), Choice(((16, 16), (64, 64))))
