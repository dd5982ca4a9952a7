"""Random draws that are the same in every version of numpy.

Only ``Generator.random`` of PCG64 is drawn from, whose stream numpy keeps unchanged
between versions; everything else is the inverse of a distribution function.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def choose(random: np.random.Generator, weights: Floats) -> Ints:
    """Returns an index [N] drawn from each row of unnormalised weights [N, C]."""
    cumulative = weights.cumsum(axis=1)
    threshold = random.random(len(weights)) * cumulative[:, -1]
    chosen: Ints = (cumulative > threshold[:, None]).argmax(axis=1)
    return chosen


def normal(random: np.random.Generator, size: int) -> Floats:
    """Returns standard normal numbers [size], by the Box-Muller transform."""
    radius = np.sqrt(-2.0 * np.log1p(-random.random(size)))
    normal: Floats = radius * np.cos(2.0 * np.pi * random.random(size))
    return normal
