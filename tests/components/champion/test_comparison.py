"""Intervals: a slow bootstrap, the truth of simulated data, and the odd cases."""

import math
import random
import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from components.champion import comparison
from components.champion.comparison import Bootstrap, Interval
from components.ranking_metrics.users import Users

METRIC = "ndcg@10"
NAN = math.nan


def users_of(values, targets=None, user=None):
    """Of each user's metric, and (score, label) targets."""
    targets = targets if targets is not None else [[] for _ in values]
    flat = [(place, *target) for place, of in enumerate(targets) for target in of]
    return Users(
        np.arange(len(values), dtype=np.uint64) if user is None else user,
        (METRIC,),
        np.array(values, np.float32).reshape(-1, 1),
        np.array([place for place, _, _ in flat], np.int32),
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


def slow_bootstrap(num_users, measure, resamples=2000, confidence=0.95):
    """As the book reads: draw users, measure, sort, cut the tails."""
    chance = random.Random(1)
    found = []
    for _ in range(resamples):
        drawn = [chance.randrange(num_users) for _ in range(num_users)]
        found.append(measure(drawn))
    found = sorted(value for value in found if not math.isnan(value))
    tail = (1 - confidence) / 2
    return [found[int(tail * len(found))], found[int((1 - tail) * len(found)) - 1]]


def assert_near(interval, lower, upper):
    """Two bootstraps of some thousand draws differ by a few percent of the width."""
    width = upper - lower
    assert interval.lower == pytest.approx(lower, abs=0.12 * width)
    assert interval.upper == pytest.approx(upper, abs=0.12 * width)


@pytest.fixture
def two_models():
    """Values of 60 users by two models, some without: (own, other)."""
    chance = np.random.default_rng(3)
    other = chance.uniform(0, 1, 60)
    own = np.clip(other + chance.normal(0.02, 0.1, 60), 0, 1)
    own[::7], other[::11] = NAN, NAN
    return own.tolist(), other.tolist()


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_one_model_s_interval_is_that_of_the_slow_bootstrap(two_models, confidence):
    own, _ = two_models
    found = Bootstrap(2000, confidence).of(users_of(own), METRIC)
    assert found.value == pytest.approx(mean(own), abs=1e-6)
    assert found.num_users == 60
    expected = slow_bootstrap(
        60, lambda drawn: mean([own[u] for u in drawn]), confidence=confidence
    )
    assert_near(found, *expected)


def test_a_difference_is_of_the_users_both_have(two_models):
    gaps = [a - b for a, b in zip(*two_models, strict=True)]
    own, other = (users_of(values) for values in two_models)
    found = Bootstrap(2000).difference(own, other, METRIC)
    assert found.value == pytest.approx(mean(gaps), abs=1e-6)
    assert_near(
        found, *slow_bootstrap(60, lambda drawn: mean([gaps[u] for u in drawn]))
    )
    back = Bootstrap(2000).difference(other, own, METRIC)
    np.testing.assert_allclose(ends(back), [-found.value, -found.upper, -found.lower])


def test_a_difference_of_auc_is_over_the_targets_of_drawn_users():
    chance = np.random.default_rng(5)
    labels = [chance.integers(0, 2, chance.integers(1, 4)) for _ in range(30)]
    models = [
        [[(chance.normal(strength * y), y) for y in of] for of in labels]
        for strength in (2.0, 0.5)
    ]

    def difference(drawn):
        one, other = (auc([t for u in drawn for t in of[u]]) for of in models)
        return one - other

    own, other = (users_of([NAN] * 30, of) for of in models)
    found = Bootstrap(2000).difference(own, other, "auc")
    assert found.value == pytest.approx(difference(range(30)), abs=1e-6)
    assert found.value > 0.1
    assert_near(found, *slow_bootstrap(30, difference, resamples=500))


def test_nineteen_of_twenty_intervals_hold_the_truth():
    chance = np.random.default_rng(11)
    held = {"of": 0, "difference": 0}
    for seed in range(200):
        # Skewed, as such metrics are: most users have nothing, few all.
        hard = chance.beta(0.5, 2.0, 120)
        own = hard + chance.normal(0.03, 0.1, 120)
        bootstrap = Bootstrap(seed=seed)
        of = bootstrap.of(users_of(hard), METRIC)
        held["of"] += of.lower <= 0.2 <= of.upper
        gap = bootstrap.difference(users_of(own), users_of(hard), METRIC)
        held["difference"] += gap.lower <= 0.03 <= gap.upper
    for name, times in held.items():
        assert 180 <= times <= 198, name


def test_the_same_users_make_a_difference_much_narrower():
    chance = np.random.default_rng(2)
    hard = chance.uniform(0, 1, 400)
    own = np.clip(hard + chance.normal(0.01, 0.03, 400), 0, 1)
    paired = Bootstrap().difference(users_of(own), users_of(hard), METRIC)
    alone = [Bootstrap().of(users_of(values), METRIC) for values in (own, hard)]
    assert paired.lower > 0  # surely better, though each by itself overlaps
    assert alone[0].lower < alone[1].upper
    widths = [each.upper - each.lower for each in (paired, *alone)]
    assert widths[0] < 0.2 * min(widths[1:])


@settings(max_examples=30)
@given(
    st.lists(st.one_of(st.just(NAN), st.floats(0, 1, width=32)), min_size=1),
    st.integers(0, 9),
)
def test_identical_models_differ_by_nothing_at_all(values, copies):
    values = values * (1 + 7 * copies)
    targets = [[(value, n % 2)] for n, value in enumerate(values)]
    one, other = (users_of(list(values), targets) for _ in range(2))
    for metric in (METRIC, "auc"):
        found = ends(Bootstrap(100).difference(one, other, metric))
        assert found == [0.0] * 3 or np.isnan(found).all()
    if not np.isnan(values).all():
        assert ends(Bootstrap(100).difference(one, other, METRIC)) == [0.0] * 3


@pytest.mark.parametrize("metric", [METRIC, "auc"])
def test_one_user_is_certain_of_itself(metric):
    users = users_of([0.25], [[(0.9, 1), (0.1, 0)]])
    value = {METRIC: 0.25, "auc": 1.0}[metric]
    assert Bootstrap(10).of(users, metric) == Interval(value, value, value, 1)


def test_users_of_whom_few_have_the_metric_have_an_interval():
    values = [NAN] * 40 + [0.1, 0.3]  # in one draw of eight, neither is drawn
    found = Bootstrap().of(users_of(values), METRIC)
    np.testing.assert_allclose(ends(found), [0.2, 0.1, 0.3], atol=1e-6)
    assert found.num_users == 42


def test_different_users_are_not_compared():
    one = users_of([0.1, 0.2, 0.3], user=np.array([1, 5, 9], np.uint64))
    for other, words in (
        (np.array([1, 5, 8], np.uint64), "3 and 3, of which 2 are the same"),
        (np.array([1, 5], np.uint64), "3 and 2, of which 2 are the same"),
        (np.array([], np.uint64), "3 and 0, of which 0 are the same"),
    ):
        with pytest.raises(ValueError, match=words):
            Bootstrap().difference(
                one, users_of([0.1] * len(other), user=other), METRIC
            )


@pytest.mark.parametrize(
    ("values", "others"),
    [([], []), ([NAN] * 5, [NAN] * 5), ([0.1, NAN], [NAN, 0.1]), ([NAN], [0.5])],
)
def test_without_anybody_to_compare_nothing_is_known(values, others):
    own, other = users_of(values), users_of(others)
    for metric in (METRIC, "auc"):
        found = Bootstrap().difference(own, other, metric)
        assert np.isnan(ends(found)).all()
        assert found.num_users == len(values)
    if np.isnan(values).all():
        assert np.isnan(ends(Bootstrap().of(own, METRIC))).all()


def test_a_score_that_is_no_number_leaves_auc_unknown():
    fine = users_of([0.5, 0.5], [[(0.9, 1)], [(0.1, 0)]])
    broken = users_of([0.5, 0.5], [[(NAN, 1)], [(0.1, 0)]])
    for one, other in ((fine, broken), (broken, fine)):
        assert np.isnan(ends(Bootstrap().difference(one, other, "auc"))).all()


def test_the_seed_decides(two_models):
    own, other = (users_of(values) for values in two_models)
    found = [Bootstrap(seed=s).difference(own, other, METRIC) for s in (4, 4, 5)]
    assert found[0] == found[1]
    assert found[0].value == found[2].value
    assert found[0].lower != found[2].lower


@pytest.mark.parametrize("resamples", [1, 49, 50, 51, 120])
def test_as_many_resamples_are_drawn_as_were_asked_for(resamples, monkeypatch):
    drawn = []
    whole = np.nanquantile
    monkeypatch.setattr(
        np, "nanquantile", lambda draws, q: drawn.append(len(draws)) or whole(draws, q)
    )
    Bootstrap(resamples).of(users_of([0.1, 0.9, 0.4]), METRIC)
    assert drawn == [resamples]


@pytest.mark.parametrize("metric", [METRIC, "auc"])
def test_many_users_are_resampled_a_few_times_at_once(metric, monkeypatch):
    chance = np.random.default_rng(4)
    scores = chance.uniform(size=[2000, 2]).tolist()
    many = users_of(chance.uniform(size=2000), [[(a, 1), (b, 0)] for a, b in scores])
    at_once = Bootstrap(500).of(many, metric)
    monkeypatch.setattr(comparison, "CELLS_AT_ONCE", 40_000)
    tracemalloc.start()
    assert Bootstrap(500).of(many, metric) == at_once
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All at once, one array of what it takes is 8 or 16 MB.
    assert peak < 8e6
