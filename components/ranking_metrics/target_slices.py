"""Slices of targets by how popular their items are."""

import numpy as np
import numpy.typing as npt

# The items that have the first, the second and the last third of the training ratings,
# from the most popular one on, and so about as much that a model can learn from.
POPULARITIES = ("head", "middle", "tail")
UNKNOWN_POPULARITY = -1


def popularity_of(more_popular: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Returns the place in ``POPULARITIES`` of targets [T].

    Args:
        more_popular: Share of the training ratings that belong to more popular items,
            [T]; NaN if unknown, of which the place is ``UNKNOWN_POPULARITY``.
    """
    thirds = np.minimum(more_popular * len(POPULARITIES), len(POPULARITIES) - 1)
    return np.where(np.isnan(thirds), UNKNOWN_POPULARITY, thirds).astype(np.int8)
