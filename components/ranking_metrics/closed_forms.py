"""Closed formulas of single metrics: exact expectations, AUC and the Gini index."""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from components.metric_names import K

Floats = npt.NDArray[np.float64]


def expected_gains(
    ahead: npt.NDArray[np.int64], num_others: int, num_sampled: int
) -> Floats:
    """Returns the exact probability of each of the first K ranks among negatives.

    Of the ``num_others`` other items, ``ahead`` are ranked before the target. A sample
    of ``num_sampled`` of them, without replacement, contains j of those ahead with the
    hypergeometric probability, and then the target has rank j + 1.

    Args:
        ahead: How many items are ranked before each target, [P].
        num_others: How many items there are to sample from.
        num_sampled: How many are sampled; all of them if there are fewer.

    Returns:
        Probabilities of the ranks 1 to K, [P, K].
    """
    n = min(num_sampled, num_others)
    a = np.clip(ahead, 0, num_others)[:, np.newaxis].astype(np.float64)
    j = np.arange(K, dtype=np.float64)[np.newaxis, :]
    behind = num_others - a
    possible = (j <= a) & (n - j <= behind) & (j <= n)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_chance = (
            _log_choose(a, j)
            + _log_choose(behind, n - j)
            - _log_choose(np.float64(num_others), np.float64(n))
        )
    return np.where(possible, np.exp(np.where(possible, log_chance, 0.0)), 0.0)


def _log_choose(n: Floats | np.float64, k: Floats | np.float64) -> Floats:
    chosen: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen


def area_under_curve(score: Floats, label: npt.NDArray[np.int64]) -> float:
    """Returns the probability that a like scores above another target; ties count half.

    The exact statistic of Mann and Whitney 1947: it needs no thresholds and any range
    of scores will do. NaN if all targets have the same label, or if a score is NaN.
    """
    num_liked = int(label.sum())
    num_others = len(label) - num_liked
    if not num_liked or not num_others or np.isnan(score).any():
        return math.nan
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    ranks = mean_rank[place][label == 1].sum()
    return float((ranks - num_liked * (num_liked + 1) / 2) / (num_liked * num_others))


def gini(times: npt.NDArray[np.int64], catalogue_size: int) -> float:
    """Returns how unequally items are recommended: 0 if equally, near 1 if only a few.

    The Gini index of the items' shares of all list positions, as in Castells, Hurley,
    Vargas 2015 ("Novelty and Diversity in Recommender Systems", section 26.3.3).

    Args:
        times: How often each recommended item occurs, [I], ascending.
        catalogue_size: V, number of items; the others are never recommended.
    """
    total = times.sum()
    if not total or catalogue_size < 2:
        return math.nan
    place = np.arange(catalogue_size - len(times) + 1, catalogue_size + 1)
    weighted = ((2 * place - catalogue_size - 1) * times).sum()
    return float(weighted / (total * (catalogue_size - 1)))
