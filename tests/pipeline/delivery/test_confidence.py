"""Bounds that hold however often one looks, against integrals and simulated users."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from pipeline.delivery.confidence import (
    MIN_HITS,
    NOTHING_KNOWN,
    Sums,
    difference,
    relative_difference,
)


def one_list_each(num, hits):
    return Sums(np.ones(num), np.repeat([1.0, 0.0], [hits, num - hits]))


@pytest.mark.parametrize("effect", [0.02, 0.1])
@pytest.mark.parametrize("alpha", [0.01, 0.2])
def test_the_mixture_of_likelihoods_is_one_over_alpha_at_the_bounds(effect, alpha):
    arm, other = one_list_each(400, 150), one_list_each(900, 300)
    bounds = difference(arm, other, alpha, effect)
    shares = [151 / 402, 301 / 902]
    assert bounds.estimate == pytest.approx(shares[0] - shares[1])
    sd = math.sqrt(
        sum(p * (1 - p) / n for p, n in zip(shares, (402, 902), strict=True))
    )

    def mixture(truth):
        """Likelihood of effects around ``truth``, over that of ``truth``."""
        density = stats.norm(bounds.estimate, sd).pdf
        mixed, _ = integrate.quad(
            lambda d: density(truth + d) * stats.norm(0, effect).pdf(d),
            *(-10 * effect, 10 * effect),
            points=[bounds.estimate - truth, 0],
            limit=500,
        )
        return mixed / density(truth)

    assert mixture(bounds.low) == pytest.approx(1 / alpha, rel=1e-3)
    assert mixture(bounds.high) == pytest.approx(1 / alpha, rel=1e-3)


def test_lists_of_one_user_count_as_one_observation():
    """Ten users with a hundred equal lists each are as uncertain as ten lists."""
    arm, other = one_list_each(10, 5), one_list_each(10, 2)
    hundred = [Sums(100 * sums.lists, 100 * sums.hits) for sums in (arm, other)]
    many = difference(*hundred, 0.05)
    few = difference(arm, other, 0.05)
    assert many.high - many.low > 0.8 * (few.high - few.low)


def test_a_relative_difference_is_the_difference_in_units_of_the_other_share():
    arm, other = one_list_each(1000, 270), one_list_each(1000, 300)
    relative = relative_difference(arm, other, 0.05)
    absolute = difference(arm, other, 0.05, 0.1 * 0.3)
    assert relative.estimate == pytest.approx((271 / 1002 - 301 / 1002) / 0.3)
    assert relative.low == pytest.approx(absolute.low / 0.3)


def test_nothing_is_relative_to_an_unknown_share():
    arm = one_list_each(1000, 300)
    too_few = one_list_each(1000, MIN_HITS - 1)
    assert relative_difference(arm, too_few, 0.05) == NOTHING_KNOWN


def test_no_hits_at_all_are_surely_worse_than_many():
    arm, other = one_list_each(300, 0), one_list_each(300, 100)
    assert relative_difference(arm, other, 0.05).high < -0.5
