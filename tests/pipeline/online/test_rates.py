"""Intervals cover the truth as often as they state, if users differ."""

import math

import numpy as np
import pytest

from pipeline.online.rates import MIN_USERS, Sums

NUM_LOGS, NUM_USERS = 500, 300
# Casual users have 3 lists and click a fifth of them; active ones have 20 and a tenth.
LISTS, CLICKS_OF_TEN = (3, 20), ((2, 8), (1, 9))
TRUTH = (3 * 0.2 + 20 * 0.1) / (3 + 20)


def simulated(generator):
    """Returns the user of each list, and whether it was clicked.

    The share that a user clicks is drawn from a beta distribution of the kind of user.
    """
    kind = generator.integers(2, size=NUM_USERS)
    shares = generator.beta(*np.array(CLICKS_OF_TEN, float)[kind].T)
    user = np.repeat(np.arange(NUM_USERS), np.array(LISTS)[kind])
    return user, generator.random(len(user)) < shares[user]


def clustered(user, clicked):
    sums = Sums()
    sums.add(user, np.ones(len(user)), clicked)
    return sums.rate().interval


def naive(user, clicked):
    """Takes the lists for independent."""
    share = clicked.mean()
    half = 1.96 * math.sqrt(share * (1 - share) / len(user))
    return share - half, share + half


def test_the_interval_covers_the_truth_and_one_by_list_does_not():
    generator = np.random.default_rng(62)
    covered = {clustered: 0, naive: 0}
    for _ in range(NUM_LOGS):
        log = simulated(generator)
        for interval in covered:
            lower, upper = interval(*log)
            covered[interval] += lower <= TRUTH <= upper
    assert 0.93 <= covered[clustered] / NUM_LOGS <= 0.98
    assert covered[naive] / NUM_LOGS < 0.93


def test_the_variance_is_that_of_the_deviations_of_users():
    generator = np.random.default_rng(7)
    user, clicked = simulated(generator)
    x, y = np.bincount(user), np.bincount(user, clicked)
    rate = y.sum() / x.sum()
    deviations = (y - rate * x) / x.mean()
    half = 1.959964 * deviations.std(ddof=1) / math.sqrt(NUM_USERS)
    assert clustered(user, clicked) == pytest.approx((rate - half, rate + half))


def test_users_may_be_added_in_parts():
    user, clicked = simulated(np.random.default_rng(8))
    sums = Sums()
    for part in range(3):
        rows = user % 3 == part
        sums.add(user[rows], np.ones(rows.sum()), clicked[rows])
    assert sums.rate().interval == pytest.approx(clustered(user, clicked))
    assert sums.users == NUM_USERS


@pytest.mark.parametrize("clicks", [0, 1])
def test_without_a_difference_between_users_there_is_no_interval(clicks):
    sums = Sums()
    sums.add(np.arange(100), np.ones(100), np.full(100, clicks))
    assert sums.rate().value == clicks
    assert sums.rate().interval is None


def test_few_users_have_no_interval():
    sums = Sums()
    user = np.arange(MIN_USERS - 1)
    sums.add(user, np.ones(len(user)), user % 2)
    assert sums.rate().interval is None
    sums.add(np.array([0]), np.ones(1), np.ones(1))
    assert sums.rate().interval


def test_nothing_has_no_rate():
    sums = Sums()
    sums.add(np.array([], int), np.array([]), np.array([]))
    assert sums.rate().value is None
