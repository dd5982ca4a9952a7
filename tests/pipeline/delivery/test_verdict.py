"""Decisions about simulated trials whose truth is known."""

import math

import numpy as np
import pytest

from benchmarks.trials import World, first_decision, trial
from pipeline.config.delivery_section import DeliveryConfig
from pipeline.delivery.confidence import Sums
from pipeline.delivery.verdict import Action, Arm, decide

AB = DeliveryConfig(mode="ab", share=0.5, max_days=1000)
CANARY = DeliveryConfig(mode="canary", share=0.5, max_days=1000)


def is_surely_different(champion, challenger):
    """Compares as one does who looks once: by an interval of 95 %."""
    if not champion.followed.hits.sum() or not challenger.followed.hits.sum():
        return False
    shares = [arm.followed.share for arm in (champion, challenger)]
    variance = sum(
        ((arm.followed.hits - share * arm.followed.lists) ** 2).sum()
        / arm.followed.lists.sum() ** 2
        for arm, share in zip((champion, challenger), shares, strict=True)
    )
    return abs(shares[1] - shares[0]) > 1.96 * math.sqrt(variance)


def test_false_alarms_are_rare_however_often_one_looks():
    """A/A: 1,000 trials of an equal version, each looked at 30 times."""
    equal = World(400, 0.3, effect=0)
    alarms = sum(
        first_decision(AB, equal, seed)[0] != Action.WAIT for seed in range(1000)
    )
    assert alarms <= AB.alpha * 1000
    ordinary = sum(
        any(
            is_surely_different(*arms)
            for arms in trial(np.random.default_rng(seed), equal, 0.5)
        )
        for seed in range(200)
    )
    assert ordinary > 2 * AB.alpha * 200  # what looking often costs otherwise


@pytest.mark.parametrize(
    ("settings", "effect", "end"),
    [(CANARY, -0.1, Action.WITHDRAW), (AB, 0.1, Action.PROMOTE)],
)
def test_a_loss_is_found_and_a_gain_goes_live(settings, effect, end):
    world = World(20_000, 0.3, effect)
    assert {first_decision(settings, world, seed)[0] for seed in range(20)} == {end}


def arm(num_lists=0, failed=0, empty=0, slow=0, followed=0):
    def sums(hits):
        return Sums(np.ones(num_lists), np.repeat([1.0, 0.0], [hits, num_lists - hits]))

    return Arm(sums(followed), sums(failed), sums(empty), sums(slow))


@pytest.mark.parametrize("name", ["failed", "empty", "slow"])
def test_each_guardrail_withdraws(name):
    good, bad = arm(500), arm(60, **{name: 60})
    verdict = decide(CANARY, good, bad, 0)
    assert (verdict.action, name in verdict.reason) == (Action.WITHDRAW, True)
    assert decide(CANARY, good, arm(500), 0).action == Action.WAIT
    assert decide(CANARY, bad, good, 0).action == Action.WAIT


def test_harm_within_the_limit_is_accepted():
    settings = DeliveryConfig(mode="canary", max_harm=0.2, max_days=1000)
    good, harmful = arm(5000, slow=50), arm(5000, slow=900)
    assert decide(settings, good, harmful, 0).action == Action.WAIT
    assert decide(CANARY, good, harmful, 0).action == Action.WITHDRAW


def test_a_canary_goes_live_when_a_larger_loss_is_ruled_out():
    lists = {"num_lists": 100_000, "followed": 30_000}
    verdict = decide(CANARY, arm(**lists), arm(**lists), 0)
    assert verdict.action == Action.PROMOTE
    assert -0.05 < verdict.effect.low < 0
    assert decide(AB, arm(**lists), arm(**lists), 0).action == Action.WAIT


def test_a_shadow_goes_live_after_its_lists():
    settings = DeliveryConfig(mode="shadow", shadow_lists=100)
    shown = arm(500, followed=200)
    assert decide(settings, shown, arm(99), 0).action == Action.WAIT
    # Its own lists have no events: no user saw them.
    assert decide(settings, shown, arm(100), 0).action == Action.PROMOTE
    assert decide(settings, shown, arm(100, failed=90), 0).action == Action.WITHDRAW


@pytest.mark.parametrize("end", ["promote", "withdraw"])
def test_an_undecided_trial_ends(end):
    settings = DeliveryConfig(mode="canary", max_days=2, when_undecided=end)
    few, none = arm(5), arm()
    assert decide(settings, few, few, 2 * 86_400 - 1).action == Action.WAIT
    assert decide(settings, few, few, 2 * 86_400).action == end
    # It may not even be possible to load it.
    assert decide(settings, few, none, 2 * 86_400).action == Action.WITHDRAW
    harmful = arm(60, failed=60)
    assert decide(settings, arm(500), harmful, 1e9).action == Action.WITHDRAW
