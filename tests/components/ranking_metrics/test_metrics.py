"""Every metric against its definition, counted user by user and pair by pair."""

import itertools
import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from components import metric_names
from components.ranking_metrics import closed_forms, metrics
from components.ranking_metrics.metrics import Statistics
from tests.reference import ranking as reference
from tests.support.evaluated_users import add_user, evaluate_outputs

scores = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(-2, 2, width=32))


@st.composite
def users(draw):
    """Targets (rank, label, score) at different ranks, and how many were ranked."""
    num_candidates = draw(st.integers(1, 400))
    ranks = draw(st.sets(st.integers(1, num_candidates), min_size=1, max_size=15))
    # Mostly at the top, where the metrics differ.
    ranks |= draw(st.sets(st.integers(1, min(12, num_candidates)), max_size=5))
    targets = [(rank, draw(st.integers(0, 1)), draw(scores)) for rank in sorted(ranks)]
    return draw(st.permutations(targets)), num_candidates


@pytest.fixture(scope="session")
def summed():
    def of_people(people):
        total = Statistics()
        for targets, num_candidates in people:
            add_user(total, evaluate_outputs(targets, num_candidates))
        return total

    return of_people


@given(st.lists(users(), min_size=1, max_size=8))
def test_ranking_metrics_are_means_over_users_who_liked_a_target(summed, people):
    found = summed(people).results()
    each = [
        reference.user_metrics([r for r, label, _ in targets if label], num_candidates)
        for targets, num_candidates in people
        if any(label for _, label, _ in targets)
    ]
    for name in metric_names.PER_USER_METRICS:
        values = [metrics[name] for metrics in each if not math.isnan(metrics[name])]
        expected = np.mean(values) if values else math.nan
        np.testing.assert_allclose(found[name], expected, atol=1e-9, err_msg=name)
    for name in ("hit_rate@10", "ndcg@10"):
        values = [metrics[name] for metrics in each]
        error = np.std(values) / math.sqrt(len(values)) if values else math.nan
        np.testing.assert_allclose(
            found[f"{name}_standard_error"], error, atol=1e-6, err_msg=name
        )


@given(st.lists(users(), min_size=1, max_size=8))
def test_label_metrics_are_over_all_targets(summed, people):
    found = summed(people).results()
    targets = [target for targets, _ in people for target in targets]
    label = [yes for _, yes, _ in targets]
    score = [float(np.float32(s)) for _, _, s in targets]
    said = [min(max(s, 0.0), 1.0) for s in score]
    hits = sum(p > 0.5 and yes for p, yes in zip(said, label, strict=True))
    inside = [min(max(p, 1e-7), 1 - 1e-7) for p in said]
    loss = [-math.log(p if y else 1 - p) for p, y in zip(inside, label, strict=True)]
    yes, yeses, n = sum(label), sum(p > 0.5 for p in said), len(label)
    expected = {
        "auc": reference.auc(score, label),
        "accuracy": sum((p > 0.5) == y for p, y in zip(said, label, strict=True)) / n,
        "precision": hits / yeses if yeses else math.nan,
        "recall": hits / yes if yes else math.nan,
        "log_loss": sum(loss) / n,
        "calibration": sum(said) / yes if yes else math.nan,
        "rmse": math.sqrt(
            sum((p - y) ** 2 for p, y in zip(said, label, strict=True)) / n
        ),
        "score_std": np.std(score),
        "num_users": sum(any(yes for _, yes, _ in t) for t, _ in people),
        "num_targets": n,
        "coverage@10": 2 / 50,
        "novelty@10": 3.5,
        "popularity_lift@10": 1.0,
        "finite_scores": 1.0,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(
            found[name], value, rtol=1e-6, atol=1e-9, err_msg=name
        )
    assert set(found) == set(metric_names.METRICS)


@given(st.lists(users(), min_size=2, max_size=8), st.data())
def test_workers_may_split_the_users_in_any_way(summed, people, data):
    whole = summed(people).results()
    parts = [Statistics() for _ in range(3)]
    for person in people:
        data.draw(st.sampled_from(parts)).merge(summed([person]))
    merged = Statistics()
    for part in data.draw(st.permutations(parts)):
        if data.draw(st.booleans()):
            part.compact()
        merged.merge(part)
    for name, value in merged.results().items():
        np.testing.assert_allclose(value, whole[name], atol=1e-9, err_msg=name)


@given(st.lists(st.tuples(scores, st.integers(0, 1)), min_size=1, max_size=60))
def test_auc_is_the_share_of_pairs_that_stand_right(targets):
    score, label = (np.array(column) for column in zip(*targets, strict=True))
    np.testing.assert_allclose(
        closed_forms.area_under_curve(score.astype(np.float64), label),
        reference.auc(score, label),
        atol=1e-12,
    )


def test_auc_of_infinite_scores_counts_them_and_of_nan_is_nan():
    label = np.array([1, 0, 1, 0])
    infinite = np.array([np.inf, -np.inf, 0.0, 0.0])
    assert closed_forms.area_under_curve(infinite, label) == 3.5 / 4
    assert math.isnan(
        closed_forms.area_under_curve(np.array([1, np.nan, 0.0, 0.0]), label)
    )


@pytest.mark.parametrize(("ahead", "num_others"), [(0, 5), (2, 5), (5, 5), (3, 7)])
def test_chances_of_places_are_those_of_all_samples(ahead, num_others):
    samples = list(itertools.combinations(range(num_others), 4))
    places = [sum(other < ahead for other in sample) for sample in samples]
    expected = [places.count(place) / len(samples) for place in range(10)]
    [found] = closed_forms.expected_gains(np.array([ahead]), num_others, 4)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("num_sampled", [99, 100])
def test_sampled_metrics_are_what_sampling_comes_to(num_sampled):
    random = np.random.default_rng(0)
    rank, num_candidates = 120, 3000
    draws = 20000
    # 119 of the 2999 others are ahead.
    place = 1 + random.hypergeometric(119, 2880, num_sampled, draws)
    hits = place <= 10
    gains = np.where(hits, 1 / np.log2(place + 1), 0)
    found = dict(
        zip(
            metric_names.PER_USER_METRICS,
            metrics.ranking_metrics(np.array([rank]), num_candidates, num_sampled),
            strict=True,
        )
    )
    for name, sampled in (("hit_rate", hits), ("ndcg", gains)):
        deviation = sampled.std() / math.sqrt(draws)
        assert abs(found[f"sampled_{name}@10"] - sampled.mean()) < 5 * deviation


def test_coverage_is_of_the_items_in_anybodys_list():
    total = Statistics()
    for top in ([2, 3, 4], [4, 3, 7], [2, 2, 2]):
        add_user(
            total, evaluate_outputs([(1, 1, 0.5)], 9, top_item=top, catalogue_size=16)
        )
    assert total.results()["coverage@10"] == 4 / 16


def test_padding_and_what_was_neither_liked_nor_disliked_count_nowhere():
    total, without = Statistics(), Statistics()
    add_user(total, evaluate_outputs([(3, 1, 0.7), (2, -1, 9.0), (0, -1, 9.0)], 20))
    add_user(
        total, evaluate_outputs([(4, -1, 0.1)], 20, top_item=[8, 9], catalogue_size=99)
    )
    add_user(without, evaluate_outputs([(3, 1, 0.7)], 20))
    np.testing.assert_equal(total.results(), without.results())


def test_users_outside_of_the_sample_count_in_label_metrics_alone(summed):
    ranked = [[(3, 1, 0.7), (9, 0, 0.2)], [(1, 1, 0.4)]]
    outside = [(0, 0, 0.6), (0, 1, 0.3)]
    total = summed([(targets, 20) for targets in ranked])
    add_user(total, evaluate_outputs(outside, 0, top_item=[0, 0]))
    found, sampled = total.results(), summed([(r, 20) for r in ranked])
    for name in ("num_users", "coverage@10", *metric_names.PER_USER_METRICS):
        assert found[name] == sampled.results()[name], name
    everybody = [target for targets in [*ranked, outside] for target in targets]
    _, label, score = (np.array(column) for column in zip(*everybody, strict=True))
    assert found["num_targets"] == 5
    assert found["auc"] == pytest.approx(reference.auc(score, label))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((score - label) ** 2)))


def test_rmse_is_of_the_error_that_the_model_tells():
    total = Statistics()
    stars = np.array([0.5, -2.0, 99.0], np.float32)  # the last is padding's
    user = evaluate_outputs([(3, 1, 4.5), (5, 0, 1.0), (0, -1, 0.0)], 20) | {
        "error": stars
    }
    add_user(total, user)
    assert total.results()["rmse"] == pytest.approx(np.sqrt((0.25 + 4) / 2))


def test_novelty_is_a_mean_and_popularity_lift_a_ratio_of_sums():
    total = Statistics()
    measured = [(1.0, 0.5, 0.3, 0.1), (4.0, math.nan, 0.2, 0.1)]
    for novelty, diversity, lists, histories in measured:
        user = evaluate_outputs([(1, 1, 0.5)], 9) | {
            "novelty": np.float32(novelty),
            "diversity": np.float32(diversity),
            "list_popularity": np.float32(lists),
            "history_popularity": np.float32(histories),
        }
        add_user(total, user)
    found = total.results()
    assert found["novelty@10"] == pytest.approx(2.5)
    assert found["diversity@10"] == pytest.approx(0.5)
    assert found["popularity_lift@10"] == pytest.approx(0.5 / 0.2 - 1)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=12))
def test_gini_is_half_the_mean_difference_of_two_items(times):
    mean = np.mean(times)
    differences = [abs(a - b) for a, b in itertools.permutations(times, 2)]
    recommended = np.sort([t for t in times if t]).astype(np.int64)
    found = closed_forms.gini(recommended, len(times))
    if not recommended.size:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(np.mean(differences) / (2 * mean))


def test_users_are_in_the_order_of_their_hash_each_with_own_targets():
    total = Statistics()
    add_user(total, evaluate_outputs([(3, 1, 0.3), (4, 0, 0.4)], 20), user=9)
    add_user(total, evaluate_outputs([(1, 0, 0.1)], 20), user=2)
    add_user(total, evaluate_outputs([(5, 1, 0.5)], 20), user=2**64 - 1)
    users = total.users()
    assert users.user.tolist() == [2, 9, 2**64 - 1]
    assert users.target_user.tolist() == [0, 1, 1, 2]
    np.testing.assert_allclose(users.score, [0.1, 0.3, 0.4, 0.5], rtol=1e-6)
    assert users.label.tolist() == [0, 1, 0, 1]
    mrr = users.values[:, users.metrics.index("mrr")]
    np.testing.assert_allclose(mrr, [np.nan, 1 / 3, 1 / 5], rtol=1e-6)


def test_nobody_is_nan_not_zero():
    results = Statistics().results()
    assert results.pop("num_users") == results.pop("num_targets") == 0
    assert all(math.isnan(value) for value in results.values())


def test_a_score_that_is_no_number_makes_what_is_made_of_it_nan():
    total = Statistics()
    add_user(total, evaluate_outputs([(3, 1, math.nan), (2, 0, 0.5)], 20))
    results = total.results()
    for name in ("auc", "score_std", "log_loss", "rmse", "calibration"):
        assert math.isnan(results[name]), name


def test_scores_that_are_no_probabilities_have_no_metrics_of_these():
    total = Statistics()
    targets = [(3, 1, 0.9), (2, 0, 0.5)]
    nothing = np.full(2, np.nan, np.float32)
    add_user(
        total,
        evaluate_outputs(targets, 20) | {"probability": nothing, "error": nothing},
    )
    results = total.results()
    for name in (*metric_names.PROBABILITY_METRICS, "rmse"):
        assert math.isnan(results[name]), name
    assert results["auc"] == 1


def test_liked_targets_of_one_score_are_not_ahead_of_each_other():
    # Scores 1 and 1 of liked targets, among others of 3, 3, 1, 0 and 0: ties count
    # against a target, so that both have rank 5, and 2 of the 5 others are behind.
    found = metrics.ranking_metrics(np.array([5, 5]), 7)
    by_name = dict(zip(metric_names.PER_USER_METRICS, found, strict=True))
    assert by_name["mean_rank_auc"] == pytest.approx(2 / 5)
    # All five others are drawn: both targets are at place 4 of six.
    assert by_name["sampled_ndcg@10"] == pytest.approx(1 / np.log2(5))


def test_targets_that_rules_block_are_behind_all_candidates():
    # Four candidates, of which the user likes one, at rank 2. Rules block the other
    # two, whose rank is 11. One of three is found; of 1, 1 and 1 others, all are ahead.
    found = metrics.ranking_metrics(np.array([2, 11, 11]), 4)
    by_name = dict(zip(metric_names.PER_USER_METRICS, found, strict=True))
    assert by_name["recall@10"] == pytest.approx(1 / 3)
    assert by_name["mean_rank_auc"] == 0
    assert by_name["sampled_ndcg@10"] == pytest.approx(1 / np.log2(3))
