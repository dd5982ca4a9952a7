"""Estimates are those of Open Bandit Pipeline, and their intervals cover the truth."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.off_policy import estimators
from pipeline.off_policy.overlap import (
    MIN_EFFECTIVE,
    MIN_EVENTS,
    MIN_USERS,
    overlap,
)
from pipeline.off_policy.reward_model import predict
from tests.support import clicked_lists as lists

CASE = Path(__file__).with_name("obp.json")  # by benchmarks/open_bandit_pipeline.py
NUM_WORLDS = 500
LEAST = 0.93


def test_estimates_are_those_of_open_bandit_pipeline():
    case = json.loads(CASE.read_text())
    expected = case.pop("estimates")
    user = np.array(case.pop("user"))
    reward, weight, shown, chosen = map(np.array, case.values())
    found = {
        "ips": estimators.ips(user, reward, weight),
        "snips": estimators.snips(user, reward, weight),
        "dr": estimators.dr(user, reward, weight, shown, chosen),
    }
    assert len(expected) == len(found)
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(expected[name], abs=1e-12)
        assert estimate.lower < estimate.value < estimate.upper


def three(unit, places):
    """Returns the three estimates with intervals of some unit."""
    predicted = predict(places.user, places.reward, places.shown, places.chosen)
    return (
        estimators.ips(unit, places.reward, places.weight),
        estimators.snips(unit, places.reward, places.weight),
        estimators.dr(unit, places.reward, places.weight, *predicted),
    )


def in_worlds(num_users, mean_lists, num_worlds=NUM_WORLDS):
    """Yields the places that were drawn in many worlds, for a candidate."""
    for seed in range(num_worlds):
        random = np.random.default_rng([seed, num_users])
        world = lists.make_world(random, num_users, mean_lists)
        chosen = lists.in_pool(world, lists.policy(random, world, 1.0, 0.5))
        yield lists.drawn_places(world, lists.show(random, world), chosen)


def truth(mean_lists):
    """Returns the candidate's value among 150,000 users."""
    values, sizes = [], []
    for seed in range(10):
        random = np.random.default_rng([seed, 1])
        world = lists.make_world(random, 15_000, mean_lists)
        chosen = lists.in_pool(world, lists.policy(random, world, 1.0, 0.5))
        values.append(lists.value_in_drawn_places(world, chosen))
        sizes.append(world.num_lists.sum())
    assert np.std(values) / np.mean(values) < 0.01  # of the mean, 0.3 %
    return np.average(values, weights=sizes)


def covers(estimate, value):
    return estimate.lower <= value <= estimate.upper


@pytest.mark.integration
def test_intervals_cover_the_truth():
    """With intervals whose unit is the list, they do not."""
    value = truth(60)
    by_user, by_list = np.zeros(3), np.zeros(3)
    for places in in_worlds(100, 60):
        number = np.arange(len(places.user)) // lists.PLACES
        by_user += [covers(each, value) for each in three(places.user, places)]
        by_list += [covers(each, value) for each in three(number, places)]
    assert (by_user / NUM_WORLDS >= LEAST).all(), by_user / NUM_WORLDS
    assert (by_list / NUM_WORLDS < LEAST - 0.05).all(), by_list / NUM_WORLDS


@pytest.mark.integration
def test_intervals_cover_the_truth_with_the_least_overlap():
    """Where there is an estimate: with so little overlap, in two of three worlds."""
    value, found, counted = truth(8), [], []
    for places in in_worlds(100, 8):
        user, reward, weight = places.user, places.reward, places.weight
        least = overlap(user, reward, weight, np.ones(1))
        found.append((least.effective, least.matching_users, least.events))
        if not least.problem:
            counted.append([covers(each, value) for each in three(user, places)])
    assert 250 < len(counted) < 400
    assert (np.mean(counted, 0) >= LEAST).all(), np.mean(counted, 0)
    least = (MIN_EFFECTIVE, MIN_USERS, MIN_EVENTS)
    assert np.median(found, 0) == pytest.approx(least, rel=0.3)


@pytest.mark.integration
def test_a_wrong_reward_model_does_not_bias_dr():
    values = []
    for places in in_worlds(150, 20, 100):
        wrong = np.full(len(places.user), 0.5)
        user, reward, weight = places.user, places.reward, places.weight
        values.append(estimators.dr(user, reward, weight, wrong, wrong).value)
    error = np.std(values) / 10
    assert abs(np.mean(values) - truth(20)) < 4 * error


def test_predictions_are_of_other_users():
    """A user's own rewards do not change what is predicted for that user."""
    random = np.random.default_rng(1)
    user = random.integers(30, size=400)
    features = np.column_stack([np.ones(400), random.random(400)])
    reward = (random.random(400) < features[:, 1] / 2).astype(float)
    own = user == 7
    before = predict(user, reward, features, features)
    after = predict(user, np.where(own, 1 - reward, reward), features, features)
    np.testing.assert_array_equal(before[0][own], after[0][own])
    assert np.abs(before[0] - after[0])[~own & (user % 5 != 2)].min() > 0
    slope = np.polyfit(features[:, 1], before[0], 1)[0]
    assert slope == pytest.approx(0.5, abs=0.2)


def test_overlap_by_hand():
    user = np.array([4, 4, 5, 6])
    weight = np.array([2.0, 0, 4, 0])
    reward = np.array([0.0, 1, 1, 1])
    found = overlap(user, reward, weight, np.array([True, True, True, False]))
    assert dataclasses.astuple(found) == (4, 3, 36 / 20, 2, 1, 0.25)
    nothing = overlap(user, reward, np.zeros(4), np.ones(4, bool))
    assert (nothing.effective, nothing.matching_users, nothing.events) == (0.0, 0, 0)
