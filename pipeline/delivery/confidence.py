"""Bounds on the effect of a version that hold at every moment, however often one looks.

Robbins (1970, "Statistical methods related to the law of the iterated logarithm") gives
a bound for a Brownian motion that holds at all times at once, by a mixture over normal
effects; Johari et al. (2022, "Always valid inference") use it for A/B tests. Estimates
from repeated measurements of the same users are a Brownian motion in their information,
one over the variance (Jennison & Turnbull 1997, "Group-sequential analysis
incorporating covariate information"). So the variance here is that between users, and
users who return add to it what is due.
"""

import dataclasses
import math

import numpy as np

# The spread of the effects that are mixed: bounds are tightest for effects of about
# this size. A relative difference, and one of shares.
RELATIVE_EFFECT, SHARE_EFFECT = 0.1, 0.02
MIN_HITS = 25  # of the other arm: nothing is relative to a share that is not known


@dataclasses.dataclass(frozen=True)
class Sums:
    """What happened to the lists of an arm.

    Attributes:
        lists: Number of lists of each user, float64 of shape (users,).
        hits: Number of those to which it happened, float64 of shape (users,).
    """

    lists: np.ndarray
    hits: np.ndarray

    @property
    def num_users(self) -> int:
        """Number of users."""
        return len(self.lists)

    @property
    def share(self) -> float:
        """Share of the lists to which it happened; 0 without lists."""
        return float(self.hits.sum() / max(self.lists.sum(), 1.0))


@dataclasses.dataclass(frozen=True)
class Bounds:
    """An effect, and its bounds.

    Attributes:
        estimate: The estimated effect.
        low: Lower bound.
        high: Upper bound.
    """

    estimate: float
    low: float
    high: float


NOTHING_KNOWN = Bounds(0.0, -math.inf, math.inf)


def relative_difference(arm: Sums, other: Sums, alpha: float) -> Bounds:
    """Returns by how much the share of an arm exceeds the other's, relative to it.

    Args:
        arm: An arm.
        other: The other arm.
        alpha: Probability with which the bounds may ever be wrong, 0 to 1.

    Returns:
        The difference, as in -0.1 for a loss of 10 %.
    """
    if other.hits.sum() < MIN_HITS:
        return NOTHING_KNOWN
    bounds = difference(arm, other, alpha, RELATIVE_EFFECT * other.share)
    return Bounds(*(end / other.share for end in dataclasses.astuple(bounds)))


def difference(
    arm: Sums, other: Sums, alpha: float, effect: float = SHARE_EFFECT
) -> Bounds:
    """Returns by how much the share of an arm exceeds the other's.

    One user with a hit and one without are added to each arm (Agresti & Caffo 2000,
    "Simple and effective confidence intervals for proportions"). Otherwise an arm
    without any hit would seem to have no variance.

    Args:
        arm: An arm.
        other: The other arm.
        alpha: Probability with which the bounds may ever be wrong, 0 to 1.
        effect: Size of the differences for which the bounds are tightest.
    """
    arm, other = _with_two_more(arm), _with_two_more(other)
    estimate = arm.share - other.share
    half = _half_width(_variance(arm) + _variance(other), alpha, effect)
    return Bounds(estimate, estimate - half, estimate + half)


def _with_two_more(sums: Sums) -> Sums:
    return Sums(np.append(sums.lists, [1.0, 1.0]), np.append(sums.hits, [1.0, 0.0]))


def _variance(sums: Sums) -> float:
    """Returns the variance of a share, by the deviations of whole users."""
    deviations = sums.hits - sums.share * sums.lists
    return float((deviations**2).sum() / sums.lists.sum() ** 2)


def _half_width(variance: float, alpha: float, effect: float) -> float:
    """Returns the half width of the bounds of a normal mixture (Robbins 1970)."""
    total = variance + effect**2
    inside = math.log(total / variance) / 2 - math.log(alpha)
    return math.sqrt(2 * variance * total / effect**2 * inside)
