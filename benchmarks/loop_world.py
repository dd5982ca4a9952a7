"""A population whose truth is known: who would follow which item, on which day.

Like a site with news or videos: items appear every day, and draw people less as they
age; tastes move; and people also find items by themselves. People look at the first
places of a list more often than at the last ones, and follow an item that they look at
with a probability of their own, which is what a list should maximise.
"""

import dataclasses

import numpy as np

NUM_USERS, NUM_CLUSTERS = 300, 5
NEW_ITEMS = 12  # in a day
OLDEST = 40  # days before the first list on which the first items appeared
HALF_LIFE = 20  # days after which an item draws half as many people
LIST_LENGTH = 10
EXAMINED = 0.85 ** np.arange(LIST_LENGTH)  # probability by place
OWN_FINDS = 1.2  # items per user and day that no list has shown
PEAKED = 0.1  # of a Dirichlet distribution: most people like one or two clusters
DRIFT = 0.02  # share of a taste that changes in a day
WINDOW = 21  # days that popularity counts


@dataclasses.dataclass(frozen=True)
class Truth:
    """The population on a day.

    Attributes:
        follows: Probability that a user follows an item that is looked at, float64 of
            shape (users, items); 0 before its release.
    """

    follows: np.ndarray


def truths(num_days: int, before: int) -> list[Truth]:
    """Returns the population on each day; more days begin with the same ones.

    Args:
        num_days: Number of days.
        before: Number of days of them on which there are no lists.
    """
    released = np.repeat(np.arange(before - OLDEST, num_days), NEW_ITEMS)
    cluster = np.random.default_rng(1).integers(NUM_CLUSTERS, size=len(released))
    quality = np.random.default_rng(2).uniform(0.3, 1, len(released))
    rng = np.random.default_rng(3)
    taste = rng.dirichlet(np.full(NUM_CLUSTERS, PEAKED), NUM_USERS)
    days = []
    for day in range(num_days):
        new = rng.dirichlet(np.full(NUM_CLUSTERS, PEAKED), NUM_USERS)
        taste = (1 - DRIFT) * taste + DRIFT * new
        appeal = quality * 0.5 ** (np.maximum(day - released, 0) / HALF_LIFE)
        follows = 0.8 * np.sqrt(taste[:, cluster]) * appeal
        days.append(Truth(np.where(released <= day, follows, 0.0)))
    return days


class Population:
    """The people of one world; each policy has a population of its own.

    Attributes:
        seen: What each user has followed, bool of shape (users, items).
    """

    def __init__(self, days: list[Truth]):
        """Starts without a past.

        Args:
            days: The truth of each day.
        """
        self._days = days
        self._num_items = days[0].follows.shape[1]
        self.seen = np.zeros((NUM_USERS, self._num_items), bool)
        self._followed = np.zeros((len(days), self._num_items), int)

    def satisfaction(self, day: int, user: int, items: list[int]) -> float:
        """Returns the expected number of followed items of a list."""
        follows = self._days[day].follows[user, items]
        return float(follows @ EXAMINED[: len(items)])

    def follow(self, day: int, user: int, items: list[int]) -> list[int]:
        """Returns the items of a list that a user follows, by chance."""
        chance = np.random.default_rng([day, user, 1]).random(len(items))
        follows = self._days[day].follows[user, items] * EXAMINED[: len(items)]
        followed = [items[place] for place in np.flatnonzero(chance < follows)]
        self._remember(day, user, followed)
        return followed

    def find(self, day: int, user: int) -> list[int]:
        """Returns the items that a user finds without a list."""
        rng = np.random.default_rng([day, user, 2])
        weights = self._days[day].follows[user] ** 2 * ~self.seen[user]
        number = min(int(rng.poisson(OWN_FINDS)), int((weights > 0).sum()))
        chances = weights / weights.sum()
        found = rng.choice(self._num_items, number, replace=False, p=chances)
        self._remember(day, user, found.tolist())
        return [int(item) for item in found]

    def popular(self, day: int, user: int) -> list[int]:
        """Returns the most popular items of the window that a user has not followed."""
        counts = self._followed[max(0, day - WINDOW) : day].sum(0)
        order = np.argsort(-counts, kind="stable")
        return [int(item) for item in order[~self.seen[user, order]][:LIST_LENGTH]]

    def _remember(self, day: int, user: int, items: list[int]) -> None:
        self.seen[user, items] = True
        np.add.at(self._followed[day], items, 1)
