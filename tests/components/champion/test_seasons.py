"""Size and power over seasons of nights, by the product's decisions.

A small, seeded version of ``make bench-gate``, on users made up here: a tenth of them
finds the target among the first ten, and two models differ for most of the others.
"""

import dataclasses

import msgspec
import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.seasons import METRIC, Pool, Setting, season
from components.champion.gate import Gate

GATE = Gate(
    metric=METRIC,
    floors={},
    max_loss=0.005,
    min_gain_over_popularity=0.0,
    min_users=100,
    min_slice_users=100,
    min_score_std=0.0,
    min_calibration=0.5,
    max_calibration=2.0,
    min_coverage_of_live=0.0,
    confidence=0.95,
)


@pytest.fixture(scope="module")
def pool():
    """1,500 users, half of whom rank alike in both models, and popularity below."""
    chance = np.random.default_rng(0)
    own = np.ceil(np.exp(chance.uniform(0, np.log(3000), 1500)))
    other = np.where(
        chance.random(1500) < 0.5,
        own,
        np.ceil(np.exp(chance.uniform(np.log(6), np.log(3000), 1500))),
    )
    ranks = {"a": own, "b": other, "popularity": np.full(1500, 200.0)}
    values = {
        name: np.where(rank <= 10, 1 / np.log2(rank + 1), 0)[:, np.newaxis]
        for name, rank in ranks.items()
    }
    return Pool(
        0.6,
        {name: rank.astype(np.int32) for name, rank in ranks.items()},
        {name: value.astype(np.float32) for name, value in values.items()},
        (METRIC,),
        np.full(1500, 3000, np.int32),
    )


def seasons(pool, setting, count, gate=GATE):
    """The night of each promotion, and how many were refused in the first night."""
    found = [season(pool, setting, gate, seed) for seed in range(count)]
    return [n for n, _ in found if n is not None], sum(refused for _, refused in found)


@pytest.mark.parametrize(("challengers", "nights"), [(1, 60), (5, 20)])
def test_of_equal_challengers_one_season_in_twenty_promotes_at_most(
    pool, challengers, nights
):
    """Before, 92 to 96 of 100 seasons saw a false promotion."""
    setting = Setting(400, challengers, gain=0.0, nights=nights)
    promoted, refused = seasons(pool, setting, 40)
    # More than by chance once in 1,000, at 5 %.
    assert len(promoted) <= binom.ppf(0.999, 40, 0.05)
    # And the loss side: hardly any of them is refused.
    assert refused <= binom.ppf(0.999, 40 * challengers, 0.05)


def test_a_better_challenger_is_promoted_within_a_fortnight(pool):
    promoted, refused = seasons(pool, Setting(6000, 1, gain=0.05, nights=14), 40)
    assert len(promoted) >= 0.8 * 40
    assert refused == 0
    at_once, _ = seasons(pool, Setting(6000, 1, gain=0.2, nights=1), 40)
    assert len(at_once) >= 0.8 * 40


def test_a_much_worse_challenger_is_refused(pool):
    promoted, refused = seasons(pool, Setting(6000, 1, gain=-0.25, nights=1), 40)
    assert promoted == []
    assert refused >= 0.8 * 40


@pytest.mark.parametrize("users", [1, 2, 5, 10, 20])
@pytest.mark.parametrize("challengers", [1, 5, 17])
def test_tiny_test_sets_promote_no_more_often_than_is_accepted(
    pool, users, challengers
):
    """Before: 67, 24, 18 and 20 % of 1, 2, 5 and 10 users, with 5 candidates."""
    setting = Setting(users, challengers, gain=0.0, nights=1)
    pool = dataclasses.replace(pool, share=1.0)
    lenient = msgspec.structs.replace(
        GATE, min_users=1, min_slice_users=1, min_gain_over_popularity=-1.0
    )
    promoted, _ = seasons(pool, setting, 40, lenient)
    assert len(promoted) <= binom.ppf(0.999, 40, 0.05)
    promoted, refused = seasons(pool, setting, 1)
    assert promoted == []
    assert refused == challengers  # fewer than gate.min_users
