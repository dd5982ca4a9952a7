"""Slices of targets by how popular and how old their items are."""

import numpy as np
import numpy.typing as npt

# The items that have the first, the second and the last third of the training ratings,
# from the most popular one on, and so about as much that a model can learn from.
POPULARITIES = ("head", "middle", "tail")
# Name of each slice, by the least number of days since the first training rating.
AGES = {0: "0-29", 30: "30-364", 365: "365+"}
UNKNOWN = -1
DAY = 86_400  # seconds


def popularity_of(more_popular: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Returns the place in ``POPULARITIES`` of targets [T].

    Args:
        more_popular: Share of the training ratings that belong to more popular items,
            [T]; NaN if unknown, of which the place is ``UNKNOWN``.
    """
    thirds = np.minimum(more_popular * len(POPULARITIES), len(POPULARITIES) - 1)
    return np.where(np.isnan(thirds), UNKNOWN, thirds).astype(np.int8)


def age_of(seconds: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Returns the place in ``AGES`` of targets [T].

    Args:
        seconds: Time since the first training rating of their items, [T], at least 0;
            NaN if unknown, of which the place is ``UNKNOWN``.
    """
    place = np.searchsorted(list(AGES), seconds / DAY, side="right") - 1
    return np.where(np.isnan(seconds), UNKNOWN, place).astype(np.int8)
