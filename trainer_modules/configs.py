"""The settings of every model, as the papers name them.

Kept apart from the models so that the command line can list and check them without
importing TensorFlow (docs/adr/0003). Values cross JSON on their way to a Trainer:
``parse`` is the only place that turns lists back into tuples.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta

Config = TypeVar("Config")
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
class PopularityConfig:
    """Nothing to choose: an item's score is how many liked it."""


@dataclasses.dataclass(frozen=True)
class MFALSConfig:
    """Rendle et al. 2022, the setting published for MovieLens 1M.

    Attributes:
      embedding_dim: D, the length of a user's and an item's vector.
      epochs: alternations; each solves every user, then every item.
      regularization: lambda, multiplied by (ratings of the row + weight x columns).
      unobserved_weight: alpha_0, the weight of every pair, rated or not.
      stddev: scale of the random start; divided by sqrt(D).
    """

    embedding_dim: int = 192
    epochs: int = 8
    regularization: float = 0.007
    unobserved_weight: float = 0.3
    stddev: float = 0.1


@dataclasses.dataclass(frozen=True)
class GradientConfig:
    """What every model that learns by gradient descent has.

    Attributes:
      task: ``rating`` (from the ratings there are), ``retrieval`` (from what was liked,
        against drawn items) or ``next_item`` (the same, of what came next).
      loss: ``LOSSES`` has those of each task.
      epochs: at most this many passes over the training pairs.
      batch_size: positives or ratings in a step at most, over all replicas; few data
        take less.
      learning_rate: of the optimizer; of ``sgd`` for a full batch, and in proportion
        for the smaller ones of few data.
      learning_rate_decay: what the learning rate is multiplied by over an epoch.
      optimizer: ``auto`` is ``lazy_adam``, which leaves the moments of untouched rows
        alone, where the users or the items are many, and else ``adam``.
      num_negatives: items drawn for each positive or rating, anew in every epoch.
      negative_power: beta; an item is drawn in proportion to popularity^beta.
      patience: epochs without a better eval metric before training stops.
      refit: once the eval split has chosen the epoch, train anew for as long on both
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


@dataclasses.dataclass(frozen=True)
class FieldsConfig(GradientConfig):
    """What the models over all fields have; the sizes of RecBole's published runs.

    Attributes:
      embedding_dim: D, of each field.
      l2: decay of the fields' vectors that a batch reads.
    """

    task: Task = "rating"
    num_negatives: Annotated[int, AT_LEAST_0] = 0
    patience: int = 3
    embedding_dim: int = 16
    l2: float = 0.0


@dataclasses.dataclass(frozen=True)
class GMFConfig(GradientConfig):
    """He et al. 2017, section 4.1: 8 predictive factors.

    Attributes:
      embedding_dim: D, the "predictive factors".
      stddev: of the random start.
      l2: weight decay of the embeddings that a batch reads.
    """

    embedding_dim: int = 8
    stddev: float = 0.01
    l2: float = 0.0


@dataclasses.dataclass(frozen=True)
class MLPConfig(GradientConfig):
    """He et al. 2017, section 4.1: 8 predictive factors, a tower of three layers.

    Attributes:
      hidden_units: the tower; its input is two vectors of half the first width.
      dropout_rate: before each layer.
      l2: weight decay of the embeddings that a batch reads.
    """

    hidden_units: tuple[int, ...] = (64, 32, 16, 8)
    dropout_rate: float = 0.0
    l2: float = 0.0


@dataclasses.dataclass(frozen=True)
class SequenceConfig(GradientConfig):
    """What the models that read the order of a history have.

    Attributes:
      max_history_length: L, the last items that are read.
    """

    task: Task = "next_item"
    max_history_length: int = 50


@dataclasses.dataclass(frozen=True)
class MFSGDConfig(GradientConfig):
    """Koren et al. 2009, by stochastic gradient descent as in Funk's and Surprise.

    The gradient is of a batch's mean, where theirs is of half a rating's squared error:
    ``learning_rate`` is theirs x batch_size / 2, as in 0.005 x 4096 / 2 = 10. Labels
    from drawn items (``task: retrieval``, Rendle et al. 2020) have no half, and a mean
    over the drawn ones too: theirs x batch_size x (1 + num_negatives).

    Attributes:
      embedding_dim: D, the factors.
      l2: lambda of equation 5, for vectors and biases; on MovieLens, where Surprise's
        0.02 overfits.
      stddev: of the vectors' random start.
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
      embedding_dim: length of the GMF half's vectors, the "predictive factors".
      pretraining_epochs: at most, of each half alone before both are joined.
      pretraining_learning_rate: of Adam, which trains the halves.
      alpha: weight of the GMF half where they are joined; the MLP half has the rest.
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
      hidden_units: the tower, its input apart.
      dropout_rate: before each of its layers.
      l2: weight decay of the embeddings that a batch reads.
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
      num_negatives: trials to find an item that is scored too high.
      embedding_dim: D, of each value's vector.
      stddev: of the random start.
      l2: weight decay of the users and items in a batch.
    """

    loss: Loss = "warp"
    num_negatives: int = 10
    embedding_dim: int = 10
    stddev: float = 0.1
    l2: float = 0.0


@dataclasses.dataclass(frozen=True)
class FMConfig(FieldsConfig):
    """Rendle 2010."""


@dataclasses.dataclass(frozen=True)
class AFMConfig(FieldsConfig):
    """Xiao et al. 2017, in the setting that did best on MovieLens 1M's eval split.

    Attributes:
      attention_units: of the attention network.
      attention_dropout_rate: within it.
      attention_l2: lambda of equation 10, for its matrix.
      dropout_rate: of what attention pools.
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
      hidden_units: of the deep network.
      activation: of its layers.
      dropout_rate: before each of them.
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
      num_layers: of attention.
      num_heads: of each.
      head_dim: of each head.
    """

    num_layers: int = 1
    num_heads: int = 2
    head_dim: int = 8


@dataclasses.dataclass(frozen=True)
class DCNConfig(FieldsTowerConfig):
    """Wang et al. 2017 and 2021.

    Attributes:
      cross: a cross layer weights with a ``vector`` (2017) or a ``matrix`` (2021).
      num_layers: crosses.
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
      kernel: a pair weights its outer product with a ``matrix``, or the diagonal of it
        with a ``vector``.
    """

    kernel: Literal["matrix", "vector"] = "matrix"


@dataclasses.dataclass(frozen=True)
class WideDeepConfig(FieldsTowerConfig):
    """Cheng et al. 2016.

    Attributes:
      wide_optimizer: of the linear part; ``optimizer`` is of the deep one.
      wide_learning_rate: of the linear part.
    """

    wide_optimizer: Optimizer = "ftrl"
    wide_learning_rate: float = 0.1


@dataclasses.dataclass(frozen=True)
class XDeepFMConfig(FieldsTowerConfig):
    """Lian et al. 2018.

    Attributes:
      cin_units: feature maps of each layer of the compressed interaction network.
    """

    cin_units: tuple[int, ...] = (16, 16)


@dataclasses.dataclass(frozen=True)
class AttRecConfig(SequenceConfig):
    """Zhang et al. 2018, in the sizes that did best on MovieLens 1M's eval split.

    Attributes:
      embedding_dim: D, of each of the four vectors.
      mode: scores are ``inner`` products, or negative squared distances (``dist``,
        with the loss ``hinge``) of vectors no longer than 1.
      long_term_weight: w, of the user's factors; the last items have the rest.
      dropout_rate: of the last items' embeddings.
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


def parse(config_class: type[Config], values: Mapping[str, Any]) -> Config:
    """Builds a config from JSON values.

    Raises:
      ValueError: for a field that the config has not.
      TypeError: for a value of another type than the field's.
    """
    hints = typing.get_type_hints(config_class)
    typed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            raise ValueError(
                f"{config_class.__name__} has no field {name!r}; it has: "
                f"{', '.join(sorted(hints)) or 'none'}"
            )
        typed[name] = _typed(f"{config_class.__name__}.{name}", hints[name], value)
    return config_class(**typed)


def _typed(where: str, hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise TypeError(f"{where}: expected a list, got {value!r}")
        element = typing.get_args(hint)[0]
        return tuple(_typed(where, element, v) for v in value)
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            choices = ", ".join(typing.get_args(hint))
            raise TypeError(f"{where}: expected one of {choices}, got {value!r}")
        return value
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise TypeError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value
