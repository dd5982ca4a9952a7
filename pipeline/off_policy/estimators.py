"""Estimates of what a policy earns, from places that another policy has drawn.

A place is drawn with a known probability, and has a reward. The candidate would have
shown the same item with another probability; the ratio of the two is the weight ``w``.

- IPS: the mean of ``w * reward``.
- SNIPS: the weighted mean of the rewards. Swaminathan and Joachims, "The
  Self-Normalized Estimator for Counterfactual Learning" (NIPS 2015, pages 3231-3239).
- DR: the mean of ``q' + w * (reward - q)``, where ``q`` predicts the reward of the item
  that was shown, and ``q'`` that of the candidate's. Dudík, Langford and Li, "Doubly
  Robust Policy Evaluation and Learning" (ICML 2011, pages 1097-1104).

All three are the same as in Saito, Aihara, Matsutani and Narita, "Open Bandit Dataset
and Pipeline" (https://arxiv.org/abs/2008.07146, 2020), to which a test compares them.
Intervals are not: their unit is the user, because the places of a user are alike.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from components.champion.comparison import of_mean

CONFIDENCE = 0.95
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The mean reward of a place, and its interval.

    Attributes:
        value: The estimate.
        lower: The lower end of the 95 % interval.
        upper: The upper end of the interval.
    """

    value: float
    lower: float
    upper: float


def mean(user: Ints, reward: Floats) -> Estimate:
    """Returns the mean reward of N places, as they were drawn.

    Args:
        user: Number of the user of each place, from 0 [N].
        reward: Reward of each place [N].
    """
    return _with_interval(user, reward - reward.mean(), float(reward.mean()))


def ips(user: Ints, reward: Floats, weight: Floats) -> Estimate:
    """Returns the estimate by inverse propensity scores.

    Args:
        user: Number of the user of each place, from 0 [N].
        reward: Reward of each place [N].
        weight: Probability of the item at this place, by the candidate over that by
            which it was drawn [N].
    """
    return mean(user, weight * reward)


def snips(user: Ints, reward: Floats, weight: Floats) -> Estimate:
    """Returns the self-normalised estimate; the arguments are those of ``ips``."""
    value = float((weight * reward).sum() / weight.sum())
    return _with_interval(user, weight * (reward - value) / weight.mean(), value)


def dr(
    user: Ints, reward: Floats, weight: Floats, shown: Floats, chosen: Floats
) -> Estimate:
    """Returns the doubly robust estimate.

    Args:
        user: As for ``ips``.
        reward: As for ``ips``.
        weight: As for ``ips``.
        shown: Predicted reward of the item that was shown [N].
        chosen: Predicted reward of the candidate's item [N].
    """
    return mean(user, chosen + weight * (reward - shown))


def _with_interval(user: Ints, influence: Floats, value: float) -> Estimate:
    """Returns an estimate with the interval of a mean over users.

    Args:
        user: Number of the user of each place [N].
        influence: By how much each place moves the estimate, times N; the mean is 0.
        value: The estimate.
    """
    _, number = np.unique(user, return_inverse=True)
    of_user = np.bincount(number, influence)
    per_place = len(of_user) / len(user)
    found = of_mean(of_user * per_place, CONFIDENCE, (-np.inf, np.inf))
    return Estimate(value, value + found.lower, value + found.upper)
