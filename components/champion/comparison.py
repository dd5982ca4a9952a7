"""Two models on the same users: how much better is one, and could it be chance?

A paired bootstrap (Efron and Tibshirani 1993, chapter 16): users are drawn again and
again with replacement, and both models are measured on those drawn. What varies between
the draws is the luck of who was asked; being hard or easy users is no part of it, as
both models have the same.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from components.ranking_metrics.users import Users

# Resamples x users or targets at once; measuring them takes some ten arrays of 32 MB.
CELLS_AT_ONCE = 1 << 22

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Interval:
    """An estimate, and where it would lie on other users like these.

    Attributes:
      value: on the users there are.
      lower: of the interval.
      upper: of the interval.
      num_users: that it stands on.
    """

    value: float
    lower: float
    upper: float
    num_users: int


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """How it is drawn.

    Attributes:
      resamples: at least 1,000 for a steady interval.
      confidence: that the interval holds the truth, between 0 and 1.
      seed: the same one for all comparisons of a run.
    """

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def of(self, users: Users, metric: str) -> Interval:
        """One model's metric."""
        return self._interval(users, None, metric)

    def difference(self, users: Users, others: Users, metric: str) -> Interval:
        """The metric of one model minus that of another.

        Users of whom only one of them has the metric, as of samples of other sizes,
        are left out.

        Raises:
          ValueError: if the two were not judged on the same users.
        """
        if not np.array_equal(users.user, others.user):
            common = len(np.intersect1d(users.user, others.user))
            raise ValueError(
                f"two models were judged on different users: {len(users.user)} and "
                f"{len(others.user)}, of which {common} are the same"
            )
        return self._interval(users.known_to(others), others.known_to(users), metric)

    def _interval(self, users: Users, others: Users | None, metric: str) -> Interval:
        num_users = len(users.user)
        measure = [each.weighted(metric) for each in (users, others) if each]

        def measured(weights: Floats) -> Floats:
            values = [of(weights) for of in measure]
            return values[0] - values[1] if others else values[0]

        [value] = measured(np.ones([1, num_users]))
        if not num_users or np.isnan(value):
            return Interval(np.nan, np.nan, np.nan, num_users)
        random = np.random.default_rng(self.seed)
        draws = []
        at_once = max(1, CELLS_AT_ONCE // max(num_users, len(users.target_user)))
        for start in range(0, self.resamples, at_once):
            count = min(at_once, self.resamples - start)
            drawn = random.integers(num_users, size=[count, num_users])
            drawn += num_users * np.arange(count)[:, np.newaxis]
            times = np.bincount(drawn.ravel(), minlength=count * num_users)
            draws.append(measured(times.reshape(count, num_users).astype(np.float64)))
        tail = (1 - self.confidence) / 2
        # A draw in which nobody has the metric, as of few users may happen, has none.
        lower, upper = np.nanquantile(np.concatenate(draws), [tail, 1 - tail])
        return Interval(float(value), float(lower), float(upper), num_users)
