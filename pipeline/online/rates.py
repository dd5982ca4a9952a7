"""Rates with intervals whose unit is the user.

A rate is a ratio of two sums over users, such as clicks and impressions. The lists of a
user are alike: only users are independent observations. The variance is
that of a ratio of means by the delta method: Deng, Knoblich and Lu, "Applying the Delta
Method in Metric Analytics" (KDD 2018, https://arxiv.org/abs/1803.06336), section 3.2.
"""

import dataclasses
import math

import numpy as np

MIN_USERS = 30  # below, the sums of users are not close to normal
_Z = 1.959964  # 97.5 % quantile of the normal distribution


@dataclasses.dataclass(frozen=True)
class Rate:
    """A rate.

    Attributes:
        value: The rate; None if it is not defined.
        interval: Ends of the 95 % interval; None if there are too few users, or none of
            them differs from the others.
    """

    value: float | None
    interval: tuple[float, float] | None = None


@dataclasses.dataclass
class Sums:
    """Sums over users of x, y, and their products, to which users may be added.

    Attributes:
        users: Number of users with an x above 0.
        x: Sum of the denominators.
        y: Sum of the numerators.
        xx: Sum of their squares.
        xy: Sum of the products.
        yy: Sum of the squares of the numerators.
    """

    users: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0

    def add(self, user: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        """Adds users, none of whom was added before.

        Args:
            user: Number of the user of each row [R].
            x: Denominator of each row [R].
            y: Numerator of each row, 0 where the denominator is [R].
        """
        if not len(user):
            return
        xs, ys = np.bincount(user, x), np.bincount(user, y)
        self.users += np.count_nonzero(xs)
        self.x += float(xs.sum())
        self.y += float(ys.sum())
        self.xx += float(xs @ xs)
        self.xy += float(xs @ ys)
        self.yy += float(ys @ ys)

    def rate(self) -> Rate:
        """Returns y / x with its interval, which is cut at 0 and 1."""
        if not self.x:
            return Rate(None)
        value = self.y / self.x
        # Users' deviations from the rate: their sum is 0.
        squares = self.yy - 2 * value * self.xy + value**2 * self.xx
        if self.users < MIN_USERS or squares <= 1e-12 * self.xx:
            return Rate(value)
        variance = self.users / (self.users - 1) * squares / self.x**2
        half = _Z * math.sqrt(variance)
        return Rate(value, (max(0.0, value - half), min(1.0, value + half)))
