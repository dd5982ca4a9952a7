"""Confidence intervals of metrics over users, of one model or of two on the same users.

Every metric is a mean of one value per user (``Users.values_of``), so an interval needs
no resampling. It is a studentised interval, corrected for the skewness of the values:
most users have a gain of 0 and a few a large one. See Hall 1992, "On the removal of
skewness by transformation" (Journal of the Royal Statistical Society B 54), equation
for ``g_1``; two models are compared by each user's difference, which cancels how hard
the users are.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from components.ranking_metrics.users import Users

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval; NaN where nothing could be measured.

    Attributes:
        value: The estimate on the users judged.
        lower: The lower end of the interval.
        upper: The upper end of the interval.
        num_users: Users for whom the metric could be measured.
    """

    value: float
    lower: float
    upper: float
    num_users: int


def interval(users: Users, metric: str, confidence: float) -> Interval:
    """Returns the interval of one model's metric, which is between 0 and 1.

    If all users have the same value, such as no hit, others may still have another one:
    the interval allows for the largest share of those that the users may have missed.
    """
    found = of_mean(users.values_of(metric), confidence, (0.0, 1.0))
    if found.lower < found.upper or not found.num_users:
        return found
    other = _share_never_seen(found.num_users, confidence)
    lower, upper = ((1 - other) * found.value + other * bound for bound in (0, 1))
    return dataclasses.replace(found, lower=lower, upper=upper)


def difference(users: Users, others: Users, metric: str, confidence: float) -> Interval:
    """Returns the interval of one model's metric minus that of another.

    Users for whom only one of the two has the metric are left out.

    Raises:
        ValueError: If the two were not judged on the same users.
    """
    check_same(users, others)
    differences = users.values_of(metric) - others.values_of(metric)
    return of_mean(differences, confidence, (-1.0, 1.0))


def check_same(users: Users, others: Users) -> None:
    """Raises ValueError if two models were not judged on the same users."""
    if not np.array_equal(users.user, others.user):
        common = len(np.intersect1d(users.user, others.user))
        raise ValueError(
            f"Two models were judged on different users: {len(users.user)} and "
            f"{len(others.user)}, of which {common} are the same."
        )


def of_mean(values: Floats, confidence: float, bounds: tuple[float, float]) -> Interval:
    """Returns the interval of the mean of one value per user.

    Args:
        values: The values; NaN of users who do not count.
        confidence: Probability with which the interval has the expectation.
        bounds: The least and the largest value that is possible.
    """
    values = values[~np.isnan(values)]
    n = len(values)
    if not n:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(values.mean())
    if n == 1:  # the spread is unknown
        return Interval(mean, *bounds, 1)
    centred = values - mean
    squared = centred * centred
    variance = float(squared.mean())
    error = np.sqrt(variance / (n - 1))
    if error < 1e-9:  # all users have the same value, up to rounding
        return Interval(mean, mean, mean, n)
    skewness = float((squared * centred).mean()) / variance**1.5
    tail = float(stdtrit(n - 1, (1 + confidence) / 2))  # of Student's t
    low, high = (mean - _unskewed(x, skewness, n) * error for x in (tail, -tail))
    return Interval(mean, max(low, bounds[0]), min(high, bounds[1]), n)


def _share_never_seen(n: int, confidence: float) -> float:
    """Returns the largest share of values of a kind that n draws may have missed.

    See Jovanovic and Levy 1997, "A look at the rule of three" (The American
    Statistician 51), for one of the two sides.
    """
    return float(1 - ((1 - confidence) / 2) ** (1 / n))


def _unskewed(quantile: float, skewness: float, n: int) -> float:
    """Returns the quantile of the studentised mean of skewed values.

    Args:
        quantile: Quantile of Student's t.
        skewness: Skewness of the values.
        n: Number of values.
    """
    a = skewness / np.sqrt(n)
    if abs(a) < 1e-6:
        return float(quantile)
    return float(3 / a * (np.cbrt(1 + a * (quantile - a / 6)) - 1))
