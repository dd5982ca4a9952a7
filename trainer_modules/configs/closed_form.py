"""Settings of the models that are solved in closed form."""

import dataclasses

from trainer_modules.configs.base import TunableConfig
from trainer_modules.configs.search import Range, searched
from trainer_modules.configs.types import (
    CatalogueSize,
    Count,
    LayerSize,
    NonNegative,
    Positive,
    Ridge,
)


@dataclasses.dataclass(frozen=True)
class PopularityConfig:
    """No settings: an item's score is the share of users who liked it."""


@dataclasses.dataclass(frozen=True)
class MFALSConfig(TunableConfig):
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

    embedding_dim: LayerSize = searched(192, Range(16, 512, log=True))
    epochs: Count = 8
    regularization: Positive = searched(0.007, Range(5e-4, 0.1, log=True))
    unobserved_weight: NonNegative = searched(0.3, Range(0.01, 3.0, log=True))
    stddev: Positive = 0.1


@dataclasses.dataclass(frozen=True)
class EASEConfig(TunableConfig):
    """Steck 2019, section 3.2; a weight between every two items of the catalogue.

    Solving takes 16 V^2 bytes at its peak, and the exported model 4 V^2, which servers
    load: 0.2 and 0.06 GB for the 3,706 items of MovieLens 1M, 6.4 and 1.6 GB for 20,000
    items, 40 and 10 GB for 50,000. For a larger catalogue, ``item_knn`` and ``mf_als``
    take memory in proportion to V.

    Attributes:
        l2: Weight decay lambda, added to the diagonal of the Gramian; the default is
            the paper's for MovieLens 20M.
        max_items: Largest catalogue that is solved. By default the exported model stays
            below ``serving.max_size_mb``; a larger one needs both raised.
    """

    l2: Ridge = searched(500.0, Range(1.0, 2e4, log=True))
    max_items: CatalogueSize = 20_000


@dataclasses.dataclass(frozen=True)
class ItemKNNConfig(TunableConfig):
    """Sarwar et al. 2001; 8 bytes for each item and neighbour.

    Attributes:
        num_neighbours: K, how many of the most similar items are kept for each item.
        shrink: Added to the denominator of the cosine, so that items which few users
            liked are less similar; 0 for the plain cosine.
    """

    num_neighbours: LayerSize = searched(100, Range(10, 1000, log=True))
    shrink: NonNegative = searched(10.0, Range(0.0, 200.0))
