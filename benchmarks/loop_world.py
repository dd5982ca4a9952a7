"""A population whose truth is known: who would follow which item, on which day.

Tastes change, items appear, and people also find items by themselves. People look at
the first places of a list more often than at the last ones, and follow an item that
they look at with a probability of their own, which is what a list should maximise.
"""

import dataclasses

import numpy as np

NUM_USERS, NUM_ITEMS, NUM_CLUSTERS = 300, 300, 8
RELEASED_BEFORE = 200  # items that are there on the first day
LIST_LENGTH = 10
EXAMINED = 0.85 ** np.arange(LIST_LENGTH)  # probability by place
OWN_FINDS = 0.7  # items per user and day that no list has shown
PEAKED = 0.1  # of a Dirichlet distribution: most people like one or two clusters
DRIFT = 0.03  # share of a taste that changes in a day


@dataclasses.dataclass(frozen=True)
class Truth:
    """The population on a day.

    Attributes:
        follows: Probability that a user follows an item that is looked at, float64 of
            shape (users, items); 0 before its release.
    """

    follows: np.ndarray


def truths(num_days: int, before: int) -> list[Truth]:
    """Returns the population on each day.

    Args:
        num_days: Number of days.
        before: Number of days of them on which no new item appears.
    """
    rng = np.random.default_rng(20261130)
    cluster = rng.integers(NUM_CLUSTERS, size=NUM_ITEMS)
    quality = rng.uniform(0.3, 1, NUM_ITEMS)
    released = np.zeros(NUM_ITEMS, int)
    released[RELEASED_BEFORE:] = rng.integers(
        before, num_days, NUM_ITEMS - RELEASED_BEFORE
    )
    taste = rng.dirichlet(np.full(NUM_CLUSTERS, PEAKED), NUM_USERS)
    days = []
    for day in range(num_days):
        new = rng.dirichlet(np.full(NUM_CLUSTERS, PEAKED), NUM_USERS)
        taste = (1 - DRIFT) * taste + DRIFT * new
        follows = 0.8 * np.sqrt(taste[:, cluster]) * quality
        days.append(Truth(np.where(released <= day, follows, 0.0)))
    return days


class Population:
    """The people of one world; each policy has a population of its own.

    Attributes:
        seen: What each user has followed, bool of shape (users, items).
        events: Number of times that each item was followed.
    """

    def __init__(self, days: list[Truth]):
        """Starts without a past.

        Args:
            days: The truth of each day.
        """
        self._days = days
        self.seen = np.zeros((NUM_USERS, NUM_ITEMS), bool)
        self.events = np.zeros(NUM_ITEMS, int)

    def satisfaction(self, day: int, user: int, items: list[int]) -> float:
        """Returns the expected number of followed items of a list."""
        follows = self._days[day].follows[user, items]
        return float(follows @ EXAMINED[: len(items)])

    def follow(self, day: int, user: int, items: list[int]) -> list[int]:
        """Returns the items of a list that a user follows, by chance."""
        chance = np.random.default_rng([day, user, 1]).random(len(items))
        follows = self._days[day].follows[user, items] * EXAMINED[: len(items)]
        followed = [items[place] for place in np.flatnonzero(chance < follows)]
        self._remember(user, followed)
        return followed

    def find(self, day: int, user: int) -> list[int]:
        """Returns the items that a user finds without a list."""
        rng = np.random.default_rng([day, user, 2])
        weights = self._days[day].follows[user] ** 2 * ~self.seen[user]
        number = min(int(rng.poisson(OWN_FINDS)), int((weights > 0).sum()))
        chances = weights / weights.sum()
        found = rng.choice(NUM_ITEMS, number, replace=False, p=chances).tolist()
        self._remember(user, found)
        return [int(item) for item in found]

    def popular(self, user: int) -> list[int]:
        """Returns the most popular items that a user has not followed."""
        order = np.argsort(-self.events, kind="stable")
        return [int(item) for item in order[~self.seen[user, order]][:LIST_LENGTH]]

    def _remember(self, user: int, items: list[int]) -> None:
        self.seen[user, items] = True
        np.add.at(self.events, items, 1)
