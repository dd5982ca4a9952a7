"""Settings of the models that are solved in closed form."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class PopularityConfig:
    """Nothing to choose: an item's score is how many liked it."""


@dataclasses.dataclass(frozen=True)
class MFALSConfig:
    """Rendle et al. 2022, the setting published for MovieLens 1M.

    Attributes:
        embedding_dim: D, the length of a user's and an item's vector.
        epochs: Alternations; each solves every user, then every item.
        regularization: Lambda, multiplied by (ratings of the row + weight x columns).
        unobserved_weight: alpha_0, the weight of every pair, rated or not.
        stddev: Scale of the random start; divided by sqrt(D).
    """

    embedding_dim: int = 192
    epochs: int = 8
    regularization: float = 0.007
    unobserved_weight: float = 0.3
    stddev: float = 0.1
