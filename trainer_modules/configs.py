"""The settings of every model, as the papers name them.

Kept apart from the models so that the command line can list and check them without
importing TensorFlow (docs/adr/0003). Values cross JSON on their way to a Trainer:
``parse`` is the only place that turns lists back into tuples.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

Config = TypeVar("Config")


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
      epochs: at most this many passes over the training pairs.
      batch_size: positives in a step at most, over all replicas; few data take less.
      learning_rate: of Adam.
      num_negatives: items drawn for each positive, anew in every epoch.
      patience: epochs without a better eval metric before training stops.
    """

    epochs: int = 30
    batch_size: int = 4096
    learning_rate: float = 0.003
    num_negatives: int = 4
    patience: int = 5


@dataclasses.dataclass(frozen=True)
class NeuMFConfig(GradientConfig):
    """He et al. 2017, section 4.1: 8 predictive factors, a tower of three layers.

    Attributes:
      embedding_dim: length of the GMF half's vectors, the "predictive factors".
      hidden_units: the tower; its input is two vectors of half the first width.
      l2: weight decay of all embeddings.
    """

    embedding_dim: int = 8
    hidden_units: tuple[int, ...] = (64, 32, 16, 8)
    l2: float = 0.0


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
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise TypeError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value
