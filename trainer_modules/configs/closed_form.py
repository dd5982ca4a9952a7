"""Settings of the models that are solved in closed form."""

import dataclasses

from trainer_modules.configs.types import Count, LayerSize, NonNegative, Positive


@dataclasses.dataclass(frozen=True)
class PopularityConfig:
    """No settings: an item's score is the share of users who liked it."""


@dataclasses.dataclass(frozen=True)
class MFALSConfig:
    """Rendle et al. 2022, the settings published for MovieLens 1M.

    Attributes:
        embedding_dim: D, the length of each user's and item's vector.
        epochs: Number of alternations; each solves every user, then every item.
        regularization: Lambda, multiplied by (ratings of the row + weight x columns).
            Above 0, without which rows of few ratings have no unique solution.
        unobserved_weight: Alpha_0, the weight of every user-item pair, rated or not.
        stddev: Standard deviation of the initial vectors, before division by sqrt(D).
            Above 0: from vectors of 0, nothing is learned.
    """

    embedding_dim: LayerSize = 192
    epochs: Count = 8
    regularization: Positive = 0.007
    unobserved_weight: NonNegative = 0.3
    stddev: Positive = 0.1
