"""Ranks policies by off-policy estimates and by nDCG on logged clicks, in known worlds.

The true value of a policy is the clicks of a list that it makes alone. Clicks are
logged on what the logging policy showed: nDCG prefers policies that show the same.

``make bench-off-policy`` prints the table of docs/off-policy.md.
"""

import sys
from collections.abc import Sequence

import numpy as np
from scipy.stats import kendalltau

from pipeline.off_policy import estimators
from pipeline.off_policy.reward_model import predict
from tests.support import clicked_lists as lists

# Sizes of the policies' errors (that of the logging policy is 2), and the likeness of
# each to the error of the logging policy.
ERRORS = (0.8, 1.2, 1.6, 1.8, 2.2, 2.4)
LIKENESSES = {
    "worse policies are more like the logging policy": (0.0, 0.5, 0.0, 0.9, 0.9, 0.5),
    "all policies are as like it": (0.5,) * 6,
    "no policy is like it": (0.0,) * 6,
}
METHODS = ("IPS", "SNIPS", "DR", "nDCG@10 on clicks")


def taus(seed: int, num_users: int, likenesses: Sequence[float]) -> list[float]:
    """Returns Kendall's tau of each method with the true values in a world."""
    random = np.random.default_rng(seed)
    world = lists.make_world(random, num_users)
    shown = lists.show(random, world)
    each = zip(ERRORS, likenesses, strict=True)
    orders = [lists.policy(random, world, *policy) for policy in each]
    truth = [lists.value_of_lists(world, order) for order in orders]
    found = np.array([_judged(world, shown, order) for order in orders])
    return [kendalltau(values, truth).statistic for values in found.T]


def _judged(
    world: lists.World, shown: lists.Clicked, order: np.ndarray
) -> tuple[float, ...]:
    places = lists.drawn_places(world, shown, lists.in_pool(world, order))
    user, reward, weight = places.user, places.reward, places.weight
    predicted = predict(user, reward, places.shown, places.chosen)
    return (
        estimators.ips(user, reward, weight).value,
        estimators.snips(user, reward, weight).value,
        estimators.dr(user, reward, weight, *predicted).value,
        _ndcg(world, shown, order),
    )


def _ndcg(world: lists.World, shown: lists.Clicked, order: np.ndarray) -> float:
    """Returns the mean nDCG@10 of the users' clicked items, as the gate measures it."""
    relevant = np.zeros(world.relevance.shape, bool)
    user = np.repeat(shown.user, lists.K)
    relevant[user, shown.item.ravel()] |= shown.clicked.ravel()
    gain = 1 / np.log2(np.arange(10) + 2)
    dcg = np.take_along_axis(relevant, order[:, :10], 1) @ gain
    number = np.minimum(relevant.sum(1), 10)
    has_any = number > 0
    return float((dcg[has_any] / np.cumsum(gain)[number[has_any] - 1]).mean())


if __name__ == "__main__":
    num_worlds, num_users = (int(text) for text in sys.argv[1:] or (200, 2000))
    print(f"Mean Kendall's tau in {num_worlds} worlds of {num_users:,} users:")
    print("", "", *METHODS, "", sep=" | ")
    for name, likenesses in LIKENESSES.items():
        found = [taus(seed, num_users, likenesses) for seed in range(num_worlds)]
        print("", name, *(f"{mean:.2f}" for mean in np.mean(found, 0)), "", sep=" | ")
