"""How much a log has in common with what a candidate would show."""

import dataclasses

import numpy as np

from components.wording import counted
from pipeline.off_policy.estimators import Floats, Ints

# With as many, intervals cover the truth in simulated worlds (docs/off-policy.md).
MIN_EFFECTIVE, MIN_USERS, MIN_EVENTS = 100, 50, 10
# With more, the order of the pool's items shows little of what it would list.
MAX_UNCOVERED = 0.5


@dataclasses.dataclass(frozen=True)
class Overlap:
    """What the estimates of a candidate are based on.

    Attributes:
        places: Number of places that were drawn.
        users: Number of their users.
        effective: Effective sample size: the number of places with equal weights whose
            mean would be as uncertain (Kish 1965).
        matching_users: Number of users to whom an item was shown that the candidate
            would have shown at the same place.
        events: Number of these places with a reward.
        uncovered: Share of the items that the candidate would list next, below the
            same first items, that are not in the pool: their logging probability is 0.
    """

    places: int
    users: int
    effective: float
    matching_users: int
    events: int
    uncovered: float

    @property
    def problem(self) -> str:
        """Why nothing can be estimated; "" if the overlap suffices."""
        if self.uncovered > MAX_UNCOVERED:
            return (
                f"{self.uncovered:.0%} of the items that it would list could not be "
                f"drawn, more than {MAX_UNCOVERED:.0%}: draw from a larger pool, as "
                "with 'marquee serve --explore 3/60'"
            )
        if self.effective < MIN_EFFECTIVE or self.matching_users < MIN_USERS:
            return (
                f"its items were drawn at {self.effective:.0f} places (effective "
                f"sample size) of {counted(self.matching_users, 'user')}, and "
                f"{MIN_EFFECTIVE} of {MIN_USERS} users are needed: log more lists"
            )
        if self.events < MIN_EVENTS:
            return (
                f"{counted(self.events, 'event')} followed its items, and {MIN_EVENTS} "
                "are needed: log more lists"
            )
        return ""


def overlap(
    user: Ints, reward: Floats, weight: Floats, is_covered: np.ndarray
) -> Overlap:
    """Measures the overlap.

    Args:
        user: Number of the user of each place, from 0 [N].
        reward: Reward of each place [N].
        weight: Weight of each place [N].
        is_covered: Whether each item that the candidate would list next is in the pool;
            any number of them.
    """
    squares = float((weight * weight).sum())
    return Overlap(
        places=len(user),
        users=len(np.unique(user)),
        effective=float(weight.sum()) ** 2 / squares if squares else 0.0,
        matching_users=len(np.unique(user[weight > 0])),
        events=int(np.count_nonzero(weight * reward)),
        uncovered=float(1 - is_covered.mean()) if len(is_covered) else 1.0,
    )
