"""What the time and the memory of a step grow with, from the data and the settings.

The units are arbitrary: an estimate multiplies them by what was measured.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from trainer_modules.configs.base import GradientConfig
from trainer_modules.configs.closed_form import EASEConfig, ItemKNNConfig, MFALSConfig
from trainer_modules.configs.factorization import MLPConfig
from trainer_modules.configs.parse import parse
from trainer_modules.registry import MODELS, parts_of

_BYTES_OF_RATING = 16  # user, item, label and rating, as a Trainer reads them
_BYTES_OF_NUMBER = 4


class Size(NamedTuple):
    """The size of the data: numbers of users, items and ratings."""

    users: int
    items: int
    ratings: int


class Work(NamedTuple):
    """What a step has to do.

    Attributes:
        time: What its time grows with.
        memory: What its memory grows with, in bytes.
    """

    time: float
    memory: float


def work_of(
    step: str, size: Size, models: Mapping[str, Mapping[str, Any]], max_pairs: float
) -> Work:
    """Returns what a step has to do.

    Args:
        step: Name of the step.
        size: The size of the data.
        models: The settings of each model, as they are configured.
        max_pairs: Maximum number of user-item pairs that an Evaluator scores.

    Raises:
        ValueError: If the settings are not those of this release.
    """
    kind, _, name = step.partition("_")
    ratings = float(size.ratings)
    data = ratings * _BYTES_OF_RATING
    if name not in MODELS or name not in models:
        pairs = min(max_pairs, size.users * size.items)
        return Work(pairs if kind == "Evaluator" else ratings, data)
    config = parse(MODELS[name].config_class, models[name])
    configs = [part for _, part in parts_of(config).values()] or [config]
    memory = data + sum(_bytes_of_tables(each, size) for each in configs)
    if kind == "Evaluator":
        return Work(min(max_pairs, size.users * size.items), memory)
    return Work(sum(_steps(each, size) for each in configs), memory)


def _steps(config: Any, size: Size) -> float:
    """Returns what the time of a training grows with; all epochs count."""
    if isinstance(config, EASEConfig):
        return float(size.items) ** 3  # the inverse of a matrix
    if isinstance(config, ItemKNNConfig):
        return size.ratings * size.ratings / max(1, size.users)  # pairs of likes
    if isinstance(config, MFALSConfig):
        rows = (size.users + size.items) * config.embedding_dim
        return config.epochs * config.embedding_dim * (size.ratings + rows)
    if isinstance(config, GradientConfig):
        return size.ratings * config.epochs * (1 + config.refit)
    return size.ratings


def _bytes_of_tables(config: Any, size: Size) -> float:
    """Returns the size of the weights of users and items."""
    if isinstance(config, EASEConfig):
        return float(size.items) ** 2 * _BYTES_OF_NUMBER
    if isinstance(config, ItemKNNConfig):
        return size.items * config.num_neighbours * 2 * _BYTES_OF_NUMBER
    width = getattr(config, "embedding_dim", 1)
    if isinstance(config, MLPConfig):  # its tower begins with both embeddings
        width += config.hidden_units[0] // 2
    return (size.users + size.items) * width * _BYTES_OF_NUMBER
