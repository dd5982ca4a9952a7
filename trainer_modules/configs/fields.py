"""Settings of the models over all fields."""

import dataclasses
from typing import Annotated, Literal

from trainer_modules.configs.base import (
    AT_LEAST_0,
    Activation,
    GradientConfig,
    Optimizer,
    Task,
)


@dataclasses.dataclass(frozen=True)
class FieldsConfig(GradientConfig):
    """What the models over all fields have; the sizes of RecBole's published runs.

    Attributes:
        embedding_dim: D, of each field.
        l2: Decay of the fields' vectors that a batch reads.
    """

    task: Task = "rating"
    num_negatives: Annotated[int, AT_LEAST_0] = 0
    patience: int = 3
    embedding_dim: int = 16
    l2: float = 0.0


@dataclasses.dataclass(frozen=True)
class FMConfig(FieldsConfig):
    """Rendle 2010."""


@dataclasses.dataclass(frozen=True)
class AFMConfig(FieldsConfig):
    """Xiao et al. 2017, in the setting that did best on MovieLens 1M's eval split.

    Attributes:
        attention_units: Of the attention network.
        attention_dropout_rate: Within it.
        attention_l2: Lambda of equation 10, for its matrix.
        dropout_rate: Of what attention pools.
    """

    learning_rate: float = 0.006
    patience: int = 2
    l2: float = 0.005
    attention_units: int = 32
    attention_dropout_rate: float = 0.0
    attention_l2: float = 0.01
    dropout_rate: float = 0.1


@dataclasses.dataclass(frozen=True)
class FieldsTowerConfig(FieldsConfig):
    """What the models with a deep network over all fields have.

    Narrower than the [256]x3 that RecBole published, for speed.

    Attributes:
        hidden_units: Of the deep network.
        activation: Of its layers.
        dropout_rate: Before each of them.
    """

    learning_rate: float = 0.005
    patience: int = 2
    l2: float = 0.001
    hidden_units: tuple[int, ...] = (128, 128)
    activation: Activation = "relu"
    dropout_rate: float = 0.2


@dataclasses.dataclass(frozen=True)
class DeepFMConfig(FieldsTowerConfig):
    """Guo et al. 2017, as wide as RecBole published."""

    learning_rate: float = 0.003
    patience: int = 3
    l2: float = 0.0
    hidden_units: tuple[int, ...] = (256, 256, 256)
    dropout_rate: float = 0.1


@dataclasses.dataclass(frozen=True)
class AutoIntConfig(FieldsTowerConfig):
    """Song et al. 2019; without ``hidden_units`` there is no deep network.

    Attributes:
        num_layers: Of attention.
        num_heads: Of each.
        head_dim: Of each head.
    """

    num_layers: int = 1
    num_heads: int = 2
    head_dim: int = 8


@dataclasses.dataclass(frozen=True)
class DCNConfig(FieldsTowerConfig):
    """Wang et al. 2017 and 2021.

    Attributes:
        cross: A cross layer weights with a ``vector`` (2017) or a ``matrix`` (2021).
        num_layers: Crosses.
    """

    cross: Literal["vector", "matrix"] = "matrix"
    num_layers: int = 2


@dataclasses.dataclass(frozen=True)
class IPNNConfig(FieldsTowerConfig):
    """Qu et al. 2016, with inner products."""


@dataclasses.dataclass(frozen=True)
class OPNNConfig(FieldsTowerConfig):
    """Qu et al. 2016, with outer products.

    Attributes:
        kernel: A pair weights its outer product with a ``matrix``, or the diagonal of
            it with a ``vector``.
    """

    kernel: Literal["matrix", "vector"] = "matrix"


@dataclasses.dataclass(frozen=True)
class WideDeepConfig(FieldsTowerConfig):
    """Cheng et al. 2016.

    Attributes:
        wide_optimizer: Of the linear part; ``optimizer`` is of the deep one.
        wide_learning_rate: Of the linear part.
    """

    wide_optimizer: Optimizer = "ftrl"
    wide_learning_rate: float = 0.1


@dataclasses.dataclass(frozen=True)
class XDeepFMConfig(FieldsTowerConfig):
    """Lian et al. 2018.

    Attributes:
        cin_units: Feature maps of each layer of the compressed interaction network.
    """

    cin_units: tuple[int, ...] = (16, 16)
