"""Which model goes live, one case each, and against a plain oracle."""

import dataclasses
import math
import re

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given

from components.champion.decision import Bar, decide
from components.champion.gate import Gate
from components.champion.judged import OVERALL, Judged, Slice
from components.champion.ledger import Ledger
from components.ranking_metrics.users import Users

NAN = math.nan
METRIC = "mrr"
GATE = Gate(
    metric=METRIC,
    floors={},
    max_loss=0.03,
    min_gain_over_popularity=0.0,
    min_users=20,
    min_slice_users=20,
    min_score_std=0.01,
    min_calibration=0.5,
    max_calibration=2.0,
    min_coverage_of_live=0.5,
    confidence=0.95,
)
NUM_USERS = 2000
NUM_NEW = 800
NEW = "activity=new"  # the first of them
EASY = np.random.default_rng(0).uniform(0, 1, NUM_USERS)  # some users are


def part_of(value, **metrics):
    """Users with one liked target each, at the rank that gives the metric."""
    count = len(value)
    users = Users(
        np.arange(count, dtype=np.uint64),
        (METRIC,),
        np.asarray(value, np.float32)[:, np.newaxis],
        np.full(count, 1000, np.int32),
        np.arange(count, dtype=np.int32),
        np.arange(count, dtype=np.uint32),
        1 / np.maximum(value, 1e-9),
        np.zeros(count, np.float32),
        np.ones(count, np.int8),
    )
    return Slice({METRIC: float(users.values.mean()), **metrics}, users)


def candidate(name, value, parameters=10, score_std=0.4):
    """Returns a candidate from each user's metric, or from one value for all users."""
    value = np.broadcast_to(value, [NUM_USERS])
    overall = {"finite_scores": 1.0, "score_std": score_std, "coverage@10": 0.5}
    slices = {OVERALL: part_of(value, **overall), NEW: part_of(value[:NUM_NEW])}
    return Judged(name, name, f"models/{name}", parameters, False, slices)


POPULARITY = candidate("popularity", 0.10)


def decided(*candidates, live=None, problem="", needs_live=True, gate=GATE):
    """(verdict, rule) of each; the bar is the candidate of that name."""
    bar = next((c for c in candidates if c.name == "popularity"), None)
    verdicts, _ = decide(
        candidates, Bar(bar, live, problem, needs_live), gate, "popularity", Ledger()
    )
    assert [v.name for v in verdicts] == [c.name for c in candidates]
    assert all(v.findings for v in verdicts)
    return {v.name: (v.verdict, v.rule) for v in verdicts}


def without_evidence(verdicts):
    """Returns the verdicts with the rules up to the words about evidence."""
    return {
        name: (verdict, re.sub("; (not )?significant.*", "", rule))
        for name, (verdict, rule) in verdicts.items()
    }


def winners(verdicts):
    return [name for name, (verdict, _) in verdicts.items() if verdict == "live"]


def test_the_best_of_those_that_passed_goes_live():
    verdicts = decided(POPULARITY, candidate("a", 0.2), candidate("b", 0.3))
    assert without_evidence(verdicts) == {
        "popularity": ("reference", "the baseline that every model must beat"),
        "a": ("passed", "mrr 0.2000 is not above b's 0.3000"),
        "b": ("live", "best of 2: mrr 0.3000, popularity has 0.1000"),
    }


def test_what_the_rules_refuse_stays_out_however_good_it_is():
    gate = msgspec.structs.replace(GATE, floors={"recall@10": 0.5})
    verdicts = decided(
        candidate("a", 0.9, score_std=0.0), candidate("b", 0.2), POPULARITY
    )
    assert verdicts["a"] == (
        "refused",
        "the standard deviation of the scores is 0; more than 0.01 is required",
    )
    assert without_evidence(verdicts)["b"] == (
        "live",
        "the only one that passed: mrr 0.2000, popularity has 0.1000",
    )
    words = decided(POPULARITY, candidate("a", 0.9, score_std=0.0), gate=gate)["a"][1]
    assert words.split("; ")[0] == "the standard deviation of the scores is 0"
    assert (
        "; recall@10 is nan; at least 0.5 is required" in words
    )  # every reason is given


def test_popularity_is_the_bar_even_where_it_is_refused_itself():
    verdicts = decided(
        candidate("popularity", 0.1, score_std=0.0),
        candidate("a", 0.05),
        candidate("b", 0.2),
    )
    assert [verdicts[name][0] for name in ("popularity", "a", "b")] == [
        "reference",
        "refused",
        "live",
    ]
    assert winners(decided(candidate("popularity", 0.9))) == []


def test_popularity_never_goes_live_even_where_a_loss_against_it_is_allowed():
    gate = msgspec.structs.replace(GATE, min_gain_over_popularity=-0.1)
    verdicts = decided(candidate("popularity", 0.3), candidate("a", 0.25), gate=gate)
    assert verdicts["popularity"][0] == "reference"
    assert verdicts["a"][0] == "passed"
    assert "from popularity's; not significant yet" in verdicts["a"][1]


def test_without_popularity_or_with_its_metric_unknown_nobody_passes():
    assert decided(candidate("a", 0.9), candidate("b", 0.1)) == dict.fromkeys(
        "ab", ("refused", "popularity was not judged, and every model must beat it")
    )
    verdicts = decided(candidate("popularity", NAN), candidate("a", 0.9))
    assert verdicts["a"][0] == "refused"
    assert "from popularity's" in verdicts["a"][1]


# Against the live model

LIVE = candidate("serving", EASY * 0.5)


def test_a_truly_better_model_replaces_the_live_one():
    better = candidate("a", EASY * 0.5 + 0.02)
    verdicts = decided(POPULARITY, better, live=LIVE)
    assert re.search(
        "; significant: evidence .* required, from 2000 users$", verdicts["a"][1]
    )
    assert without_evidence(verdicts)["a"] == (
        "live",
        f"the only one that passed: mrr {better.slices[''].metrics[METRIC]:.4f}, "
        "popularity has 0.1000; +0.0200 [+0.0200, +0.0200] over the model that was "
        "live",
    )


def test_a_gain_that_may_be_chance_promotes_nobody():
    noise = np.random.default_rng(1).normal(0, 0.05, NUM_USERS)
    noise += 0.002 - noise.mean()
    verdict, rule = decided(POPULARITY, candidate("a", EASY * 0.5 + noise), live=LIVE)[
        "a"
    ]
    assert verdict == "passed"
    assert rule.startswith("mrr is +0.0020 [-0.00")
    assert "from the live model's; not significant yet: evidence " in rule
    assert rule.endswith(" of 40 required, from 2000 users")


def test_refused_candidates_count_in_the_correction():
    """One of 20 is lucky more often than one of 1, whatever the other rules refuse."""
    noise = np.random.default_rng(1).normal(0, 0.05, NUM_USERS)
    noise += 0.0048 - noise.mean()
    lucky = candidate("lucky", EASY * 0.5 + noise)
    refused = [candidate(f"refused {n}", 0.5, score_std=0.0) for n in range(19)]
    alone = decided(POPULARITY, lucky, live=LIVE)
    assert winners(alone) == ["lucky"]
    assert " of 40 required" in alone["lucky"][1]
    together = decided(POPULARITY, lucky, *refused, live=LIVE)
    assert winners(together) == []
    assert " of 800 required" in together["lucky"][1]
    assert {together[c.name][0] for c in refused} == {"refused"}


@pytest.mark.parametrize("is_candidate", [True, False])
def test_a_copy_of_the_live_model_never_replaces_it(is_candidate):
    copy = dataclasses.replace(
        candidate("copy", EASY * 0.5), uri="models/other", parameters=1
    )
    others = [LIVE] if is_candidate else []
    verdicts = decided(POPULARITY, copy, *others, live=LIVE)
    assert verdicts["copy"] == (
        "passed",
        "mrr is +0.0000 [+0.0000, +0.0000] from the live model's; not significant yet: "
        "evidence 1 of 40 required, from 2000 users",
    )
    assert winners(verdicts) == [c.name for c in others]
    if is_candidate:
        assert verdicts["serving"][1].startswith("best of 2: mrr 0.2")
        assert verdicts["serving"][1].endswith("; it was live already")


def test_a_small_gain_that_is_sure_goes_before_a_large_one_that_is_not():
    swings = np.random.default_rng(4).normal(0, 0.2, NUM_USERS)
    gate = msgspec.structs.replace(GATE, max_loss=0.5)
    lucky = candidate("lucky", np.clip(EASY * 0.5 + 0.25 + swings, 0.01, 1))
    level = EASY * 0.5 + 0.25
    live = candidate("serving", level - 0.012)
    verdicts = decided(
        POPULARITY,
        lucky,
        candidate("steady", level - 0.002),
        live=live,
        gate=gate,
    )
    assert verdicts["lucky"][0] == "passed"
    assert "not significant yet" in verdicts["lucky"][1]
    assert lucky.slices[OVERALL].metrics[METRIC] > level.mean() - 0.002
    assert verdicts["steady"][0] == "live"


def test_of_two_alike_that_both_are_better_the_smaller_goes_live():
    larger = candidate("larger", EASY * 0.5 + 0.1, parameters=1000)
    smaller = candidate("smaller", EASY * 0.5 + 0.1, parameters=999)
    for live in (LIVE, None):
        for order in ([larger, smaller], [smaller, larger]):
            verdicts = decided(POPULARITY, *order, live=live)
            assert winners(verdicts) == ["smaller"]
            value = f"{smaller.slices[OVERALL].metrics[METRIC]:.4f}"
            assert verdicts["larger"] == (
                "passed",
                f"mrr {value} ties with smaller, which is preferred",
            )


def test_the_live_model_wins_ties_even_against_a_smaller_one():
    same = candidate("same", EASY * 0.5, parameters=1)
    verdicts = decided(POPULARITY, same, LIVE, live=LIVE)
    assert winners(verdicts) == ["serving"]


def test_good_for_all_but_terrible_for_new_users_is_refused():
    value = EASY * 0.5 + 0.4
    value[:NUM_NEW] = 0.01
    verdict, rule = decided(POPULARITY, candidate("a", value), live=LIVE)["a"]
    assert verdict == "refused"
    reasons = rule.split("; mrr")
    assert len(reasons) == 2  # of two rules, and of new users alone
    assert all(f"on {NEW};" in reason for reason in reasons)
    assert "from the live model's" in rule
    assert "from popularity's" in rule


def test_losing_no_more_than_allowed_passes_and_changes_nothing():
    verdicts = decided(
        POPULARITY,
        candidate("a", EASY * 0.5 - 0.02),
        candidate("b", EASY * 0.5 - 0.04),
        live=LIVE,
    )
    assert verdicts["a"][0] == "passed"
    assert "[-0.0200, -0.0200] from the live model's" in verdicts["a"][1]
    assert verdicts["b"][0] == "refused"
    assert "a significant loss of more than 0.03 is refused" in verdicts["b"][1]


def test_no_gain_has_to_be_proven_where_a_trial_decides():
    gate = msgspec.structs.replace(GATE, proven_gain=False)
    a, b, c = (
        candidate(n, EASY * 0.5 - loss)
        for n, loss in zip("abc", (0.02, 0.01, 0.04), strict=True)
    )
    verdicts = decided(POPULARITY, a, b, c, live=LIVE, gate=gate)
    assert [verdict for verdict, _ in verdicts.values()] == [
        "reference",
        "passed",
        "live",
        "refused",
    ]
    assert verdicts["b"][1].endswith(
        "-0.0100 [-0.0100, -0.0100] over the model that was live; no gain has to be "
        "proven (gate.proven_gain)"
    )
    # The first model must still be better than popularity.
    noise = np.random.default_rng(1).normal(0.001, 0.05, NUM_USERS)
    first = decided(POPULARITY, candidate("a", 0.1 + noise - noise.mean()), gate=gate)
    assert first["a"][0] != "live"


# Without the live model


def test_while_the_live_model_cannot_be_judged_nothing_goes_live():
    verdicts = decided(
        POPULARITY,
        candidate("a", 0.9),
        candidate("b", 0.05),
        problem="version 3 is not as it was pushed",
    )
    words = "the live model could not be judged: version 3 is not as it was pushed"
    assert verdicts == {
        "popularity": ("reference", "the baseline that every model must beat"),
        "a": ("refused", words),
        "b": ("refused", words),
    }


def test_where_the_floors_are_enough_it_goes_live_and_says_so():
    verdicts = decided(
        POPULARITY,
        candidate("a", 0.9),
        candidate("b", 0.05),
        problem="version 3 is not as it was pushed",
        needs_live=False,
    )
    assert verdicts["a"] == (
        "live",
        "the only one that passed: mrr 0.9000, popularity has 0.1000; the live "
        "model could not be judged: version 3 is not as it was pushed",
    )
    assert verdicts["b"][0] == "refused"


def test_before_anything_is_live_there_is_nothing_to_need():
    assert winners(decided(POPULARITY, candidate("a", 0.2), needs_live=True)) == ["a"]


def test_nobody_at_all_is_nobody():
    assert decided() == {}


# Anything

levels = st.sampled_from([0.1, 0.12, 0.14, 0.16, 0.2, 0.3, NAN])


@given(
    st.lists(st.tuples(levels, st.booleans(), st.integers(1, 3)), max_size=5),
    levels,
    st.one_of(st.none(), st.integers(0, 4), levels),
)
def test_at_most_one_goes_live_and_nothing_that_may_is_better(others, bar, live):
    """All users are alike, so that every gain is significant, or none."""
    models = [
        candidate(str(n), level, parameters, score_std=0.0 if is_broken else 0.4)
        for n, (level, is_broken, parameters) in enumerate(others)
    ]
    if isinstance(live, int):
        serving = models[live] if live < len(models) else None
    else:
        serving = None if live is None else candidate("serving", live)
    level_of = {m.uri: level for m, (level, *_) in zip(models, others, strict=True)}
    live_level = live if isinstance(live, float) else others[live][0] if serving else 0
    fit = []
    for model, (level, is_broken, _) in zip(models, others, strict=True):
        is_live = model is serving
        loses_little = is_live or level >= live_level - GATE.max_loss
        if not is_broken and level > bar and loses_little:
            fit.append(model)
    may = [m for m in fit if m is serving or level_of[m.uri] > live_level]
    best = sorted(
        may, key=lambda m: (-level_of[m.uri], m is not serving, m.parameters)
    )[:1]

    verdicts = decided(candidate("popularity", bar), *models, live=serving)
    passed = {name for name, (v, _) in verdicts.items() if v in ("live", "passed")}
    assert passed == {model.name for model in fit}
    assert winners(verdicts) == [model.name for model in best]


def test_a_model_that_a_person_rolled_back_from_is_refused_and_the_next_best_lives():
    best, second = candidate("a", 0.3), candidate("b", 0.2)
    bar = Bar(POPULARITY, None, "", True, frozenset({best.uri}))
    candidates = (POPULARITY, best, second)
    verdicts, _ = decide(candidates, bar, GATE, "popularity", Ledger())
    assert [v.verdict for v in verdicts] == ["reference", "refused", "live"]
    assert "rolled back from; 'marquee rollback VERSION'" in verdicts[1].rule
