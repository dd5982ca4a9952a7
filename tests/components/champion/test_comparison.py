"""Intervals against SciPy's bootstrap, simulations with a known truth, odd cases."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given

from components.champion.comparison import Interval, difference, interval
from components.ranking_metrics.users import Users

METRIC = "ndcg@10"
NAN = math.nan


def users_of(values, targets=None, user=None):
    """Returns users with one metric value each, and (score, label) targets."""
    targets = targets if targets is not None else [[] for _ in values]
    flat = [(place, *target) for place, own in enumerate(targets) for target in own]
    return Users(
        np.arange(len(values), dtype=np.uint64) if user is None else user,
        (METRIC,),
        np.array(values, np.float32).reshape(-1, 1),
        np.full(len(values), 9, np.int32),
        np.array([place for place, _, _ in flat], np.int32),
        np.zeros(len(flat), np.uint32),
        np.zeros(len(flat), np.int32),
        np.array([score for _, score, _ in flat], np.float32),
        np.array([label for _, _, label in flat], np.int8),
    )


def ends(interval):
    return [interval.value, interval.lower, interval.upper]


def mean(values):
    values = [value for value in values if not math.isnan(value)]
    return sum(values) / len(values) if values else NAN


def auc(targets):
    liked = [score for score, label in targets if label]
    other = [score for score, label in targets if not label]
    pairs = [(a > b) + (a == b) / 2 for a in liked for b in other]
    return mean(pairs)


def bca(values, confidence=0.95):
    """SciPy's bias-corrected and accelerated bootstrap of a mean."""
    values = np.array([value for value in values if not math.isnan(value)])
    return scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=9999,
        confidence_level=confidence,
        method="BCa",
        random_state=0,
    ).confidence_interval


def assert_near(found, expected, tolerance=0.06):
    """Bootstraps of 9,999 draws differ by a few percent of the width."""
    width = expected[1] - expected[0]
    assert found.lower == pytest.approx(expected[0], abs=tolerance * width)
    assert found.upper == pytest.approx(expected[1], abs=tolerance * width)


@pytest.fixture
def two_models():
    """Values of 300 users by two models, some without: (own, other)."""
    chance = np.random.default_rng(3)
    other = chance.beta(0.3, 1.5, 300)
    own = np.clip(other + chance.normal(0.02, 0.1, 300), 0, 1)
    own[::7], other[::11] = NAN, NAN
    return own.tolist(), other.tolist()


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_interval_of_one_model_is_that_of_scipy(two_models, confidence):
    own, _ = two_models
    found = interval(users_of(own), METRIC, confidence)
    assert found.value == pytest.approx(mean(own), abs=1e-6)
    assert found.num_users == sum(not math.isnan(value) for value in own) < 300
    assert_near(found, bca(own, confidence))


def test_the_interval_of_skewed_values_is_not_symmetric():
    values = [0.0] * 190 + [1.0] * 10  # as hit rates are
    found = interval(users_of(values), METRIC, 0.95)
    expected = bca(values)
    assert expected[1] - 0.05 > 1.2 * (0.05 - expected[0])
    assert_near(found, expected, tolerance=0.1)


def test_a_difference_is_of_the_users_that_both_have(two_models):
    gaps = [a - b for a, b in zip(*two_models, strict=True)]
    own, other = (users_of(values) for values in two_models)
    found = difference(own, other, METRIC, 0.95)
    assert found.value == pytest.approx(mean(gaps), abs=1e-6)
    assert found.num_users == sum(not math.isnan(gap) for gap in gaps)
    assert_near(found, bca(gaps))
    back = difference(other, own, METRIC, 0.95)
    np.testing.assert_allclose(ends(back), [-found.value, -found.upper, -found.lower])


def test_a_difference_of_auc_is_over_the_targets_of_drawn_users():
    chance = np.random.default_rng(5)
    labels = [chance.integers(0, 2, chance.integers(1, 4)) for _ in range(60)]
    models = [
        [[(chance.normal(strength * y), y) for y in of] for of in labels]
        for strength in (2.0, 0.5)
    ]

    def gap(drawn):
        one, other = (auc([t for u in drawn for t in of[u]]) for of in models)
        return one - other

    own, other = (users_of([NAN] * 60, of) for of in models)
    found = difference(own, other, "auc", 0.95)
    assert found.value == pytest.approx(gap(range(60)), abs=1e-6)
    assert found.value > 0.1
    expected = scipy.stats.bootstrap(
        (np.arange(60),),
        gap,
        vectorized=False,
        n_resamples=800,
        method="basic",
        random_state=0,
    ).confidence_interval
    assert_near(found, expected, tolerance=0.12)


@pytest.mark.parametrize("num_users", [100, 400])
def test_nineteen_of_twenty_intervals_hold_the_truth(num_users):
    """And each end misses it equally often, though the values are skewed."""
    chance = np.random.default_rng(11)
    below, above, times = 0, 0, 4000
    for _ in range(times):
        values = chance.beta(0.2, 1.8, num_users)  # a mean of 0.1
        found = interval(users_of(values), METRIC, 0.95)
        below += found.upper < 0.1
        above += found.lower > 0.1
    for missed in (below, above):
        assert 0.015 * times < missed < 0.035 * times, (below, above)


def test_the_same_users_make_a_difference_much_narrower():
    chance = np.random.default_rng(2)
    hard = chance.uniform(0, 1, 400)
    own = np.clip(hard + chance.normal(0.01, 0.03, 400), 0, 1)
    paired = difference(users_of(own), users_of(hard), METRIC, 0.95)
    alone = [interval(users_of(values), METRIC, 0.95) for values in (own, hard)]
    assert paired.lower > 0  # significantly better, though each by itself overlaps
    assert alone[0].lower < alone[1].upper
    widths = [each.upper - each.lower for each in (paired, *alone)]
    assert widths[0] < 0.2 * min(widths[1:])


@given(
    st.lists(st.one_of(st.just(NAN), st.floats(0, 1, width=32)), min_size=1),
    st.integers(0, 9),
)
def test_identical_models_differ_by_nothing_at_all(values, copies):
    values = values * (1 + 7 * copies)
    targets = [[(value, n % 2)] for n, value in enumerate(values)]
    one, other = (users_of(list(values), targets) for _ in range(2))
    for metric in (METRIC, "auc"):
        found = difference(one, other, metric, 0.95)
        if found.num_users > 1:
            assert ends(found) == [0.0] * 3
        elif found.num_users == 1:
            assert ends(found) == [0.0, -1.0, 1.0]
        else:
            assert np.isnan(ends(found)).all()


@pytest.mark.parametrize("num_users", [20, 120])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_of_values_all_alike_the_interval_is_that_of_clopper_and_pearson(
    num_users, value
):
    found = interval(users_of([value] * num_users), METRIC, 0.95)
    exact = scipy.stats.binomtest(int(value) * num_users, num_users).proportion_ci(0.95)
    assert ends(found) == pytest.approx([value, exact.low, exact.high])


def test_one_user_is_no_evidence():
    users = users_of([0.25])
    assert interval(users, METRIC, 0.95) == Interval(0.25, 0.0, 1.0, 1)


@given(
    st.lists(st.floats(0, 1, width=32), min_size=2, max_size=6),
    st.sampled_from([0.8, 0.95, 0.999]),
)
def test_an_interval_holds_the_estimate_and_is_within_the_range(values, confidence):
    found = interval(users_of(values), METRIC, confidence)
    assert 0 <= found.lower <= found.value + 1e-9
    assert found.value - 1e-9 <= found.upper <= 1


def test_different_users_are_not_compared():
    one = users_of([0.1, 0.2, 0.3], user=np.array([1, 5, 9], np.uint64))
    for other, words in (
        (np.array([1, 5, 8], np.uint64), "3 and 3, of which 2 are the same"),
        (np.array([1, 5], np.uint64), "3 and 2, of which 2 are the same"),
        (np.array([], np.uint64), "3 and 0, of which 0 are the same"),
    ):
        with pytest.raises(ValueError, match=words):
            difference(one, users_of([0.1] * len(other), user=other), METRIC, 0.95)


@pytest.mark.parametrize(
    ("values", "others"),
    [([], []), ([NAN] * 5, [NAN] * 5), ([0.1, NAN], [NAN, 0.1]), ([NAN], [0.5])],
)
def test_without_anybody_to_compare_nothing_is_known(values, others):
    own, other = users_of(values), users_of(others)
    for metric in (METRIC, "auc"):
        found = difference(own, other, metric, 0.95)
        assert np.isnan(ends(found)).all()
        assert found.num_users == 0
    if np.isnan(values).all():
        assert np.isnan(ends(interval(own, METRIC, 0.95))).all()


def test_a_score_that_is_nan_leaves_auc_unknown():
    fine = users_of([0.5, 0.5], [[(0.9, 1)], [(0.1, 0)]])
    broken = users_of([0.5, 0.5], [[(NAN, 1)], [(0.1, 0)]])
    for one, other in ((fine, broken), (broken, fine)):
        assert np.isnan(ends(difference(one, other, "auc", 0.95))).all()
