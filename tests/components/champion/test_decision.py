"""The rules by which a model goes live, one case each."""

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from components.champion.decision import Candidate, decide

METRIC = "ndcg@10"


def candidate(name, value, *failures):
    return Candidate(name, f"models/{name}", {METRIC: value}, failures)


POPULARITY = candidate("popularity", 0.10)


def judged(*candidates, min_gain=0.0, live_uri=None):
    verdicts = decide(candidates, "popularity", METRIC, min_gain, live_uri)
    assert [v.name for v in verdicts] == [c.name for c in candidates]
    return {v.name: (v.verdict, v.rule) for v in verdicts}


def test_the_best_of_those_that_passed_goes_live():
    verdicts = judged(POPULARITY, candidate("a", 0.2), candidate("b", 0.3))
    assert verdicts == {
        "popularity": ("reference", "the bar for the others"),
        "a": ("passed", "ndcg@10 0.2000 is not above b's 0.3000"),
        "b": ("live", "best of 2: ndcg@10 0.3000, popularity has 0.1000"),
    }


def test_what_the_evaluator_refused_stays_out_however_good_it_is():
    verdicts = judged(
        candidate("a", 0.9, "auc 0.4 is below the floor of 0.5", "ndcg@10 loses"),
        candidate("b", 0.2),
        POPULARITY,
    )
    assert verdicts["a"] == (
        "refused",
        "auc 0.4 is below the floor of 0.5; ndcg@10 loses",
    )
    assert verdicts["b"][0] == "live"
    assert verdicts["b"][1].startswith("the only one that passed")


@pytest.mark.parametrize(
    ("value", "min_gain", "verdict"),
    [
        (0.10, 0.0, "refused"),  # equality is no gain
        (0.11, 0.0, "live"),
        (0.14, 0.05, "refused"),
        (0.16, 0.05, "live"),
        (math.nan, 0.0, "refused"),
        (math.nan, -math.inf, "refused"),
    ],
)
def test_popularity_has_to_be_beaten(value, min_gain, verdict):
    found = judged(POPULARITY, candidate("a", value), min_gain=min_gain)["a"]
    assert found[0] == verdict
    if verdict == "refused":
        assert "does not beat popularity's 0.1000" in found[1]
        assert ("by more than 0.05" in found[1]) == (min_gain == 0.05)


def test_popularity_is_the_bar_even_where_it_fails_a_floor():
    refused = candidate("popularity", 0.1, "below a floor")
    verdicts = judged(refused, candidate("a", 0.05), candidate("b", 0.2))
    assert [verdicts[name][0] for name in ("popularity", "a", "b")] == [
        "reference",
        "refused",
        "live",
    ]


def test_without_popularity_or_with_its_metric_unknown_nobody_passes():
    rule = judged(candidate("a", 0.9))["a"]
    assert rule == (
        "refused",
        "popularity was not judged, so that there is no bar to pass",
    )
    assert judged(candidate("popularity", math.nan), candidate("a", 0.9))["a"][0] == (
        "refused"
    )


@pytest.mark.parametrize("live", ["a", "b"])
def test_the_live_model_wins_ties(live):
    verdicts = judged(
        POPULARITY,
        candidate("a", 0.2),
        candidate("b", 0.2),
        live_uri=f"models/{live}",
    )
    assert {name: v for name, (v, _) in verdicts.items() if v == "live"} == {
        live: "live"
    }


def test_the_live_model_does_not_win_without_a_tie():
    verdicts = judged(
        POPULARITY, candidate("a", 0.2), candidate("b", 0.3), live_uri="models/a"
    )
    assert verdicts["b"][0] == "live"


def test_nobody_at_all_is_nobody():
    assert judged() == {}


values = st.one_of(st.just(math.nan), st.floats(0, 1))


@given(
    st.lists(st.tuples(values, st.booleans()), max_size=6),
    values,
    st.integers(0, 6),
)
def test_at_most_one_goes_live_and_nothing_that_passed_is_better(others, bar, live):
    candidates = [candidate("popularity", bar)]
    candidates += [
        candidate(str(n), value, *["no"] * refused)
        for n, (value, refused) in enumerate(others)
    ]
    verdicts = judged(*candidates, live_uri=f"models/{live}")
    fit = {
        str(n): value
        for n, (value, refused) in enumerate(others)
        if not refused and value > bar
    }
    winners = [name for name, (verdict, _) in verdicts.items() if verdict == "live"]
    assert len(winners) == bool(fit)
    if fit:
        assert fit[winners[0]] == max(fit.values())
    passed = {
        n for n, (verdict, _) in verdicts.items() if verdict in ("live", "passed")
    }
    assert passed == set(fit)
