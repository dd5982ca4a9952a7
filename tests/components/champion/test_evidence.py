"""Evidence: the game by its definition, exact error rates, and what is compared."""

import itertools
import math

import numpy as np
import pytest

from components.champion.evidence import (
    SHARES,
    Evidence,
    Game,
    differences,
    liked_targets,
)
from components.ranking_metrics.users import Users

NOTHING = np.zeros(0, np.uint32)
ALPHA = 0.05


def users_of(ranks, label=None, first_target=0):
    """Users, each with liked targets at these ranks."""
    flat = list(itertools.chain.from_iterable(ranks))
    count = len(flat)
    return Users(
        user=np.arange(len(ranks), dtype=np.uint64),
        metrics=(),
        values=np.zeros([len(ranks), 0], np.float32),
        num_candidates=np.full(len(ranks), 100, np.int32),
        target_user=np.repeat(
            np.arange(len(ranks), dtype=np.int32), [len(each) for each in ranks]
        ),
        target=np.arange(count, dtype=np.uint32) + np.uint32(first_target),
        rank=np.array(flat, np.int32),
        score=np.zeros(count, np.float32),
        label=np.ones(count, np.int8) if label is None else np.array(label, np.int8),
    )


def test_the_capital_is_what_is_left_of_the_bets():
    found = Game.initial().played(np.array([0.5, -0.25])).played(np.array([1.0]))
    capital = [1 + share * 0.5 for share in SHARES]
    capital = [
        c * (1 - s * 0.25) * (1 + s) for c, s in zip(capital, SHARES, strict=True)
    ]
    np.testing.assert_allclose(np.exp(found.log_capital), capital)
    assert math.exp(found.log_mean) == pytest.approx(sum(capital) / len(capital))
    assert found.total == pytest.approx(1.25)


def test_the_order_of_users_and_of_runs_does_not_matter():
    chance = np.random.default_rng(0)
    values = chance.uniform(-1, 1, 60)
    once = Game.initial().played(values)
    parts = Game.initial()
    for part in np.split(chance.permutation(values), 6):
        parts = parts.played(part)
    np.testing.assert_allclose(parts.log_capital, once.log_capital)


@pytest.mark.parametrize("num_users", range(1, 11))
def test_no_test_of_few_users_is_wrong_too_often(num_users):
    """Exactly, over all outcomes of fair coins: differences of +1 and -1."""
    wrong = 0.0
    for ups in range(num_users + 1):
        coins = np.where(np.arange(num_users) < ups, 1.0, -1.0)
        evidence = Evidence.initial(share=1.0).after(coins, coins)
        if evidence.proves(ALPHA):
            wrong += math.comb(num_users, ups) / 2**num_users
    assert wrong <= ALPHA


def test_looking_after_every_user_is_wrong_no_more_often():
    """By all 2^14 sequences: the chance that the evidence ever suffices."""
    length = 14
    coins = 1 - 2.0 * ((np.arange(2**length)[:, np.newaxis] >> np.arange(length)) & 1)
    log_capital = np.log1p(SHARES * coins[:, :, np.newaxis]).cumsum(1)
    value = np.exp(log_capital).mean(2)
    ever = (value >= 1 / 0.3).any(1).mean()  # so short a game needs a larger alpha
    assert 0.02 < ever <= 0.3
    # The same by the code, of some of the sequences.
    for row in range(0, 2**length, 1001):
        evidence = Evidence.initial(share=1.0)
        for place in range(length):
            coin = coins[row, place : place + 1]
            evidence = evidence.after(coin, coin)
            assert evidence.value == pytest.approx(value[row, place])


def test_the_value_is_the_mean_of_both_games():
    evidence = Evidence.initial(share=0.5).after(np.array([0.6]), np.array([-0.2]))
    by_metric = np.mean(1 + SHARES * 0.6)
    by_list = np.mean(1 - SHARES * 0.2)
    assert evidence.value == pytest.approx((by_metric + by_list) / 2)
    assert evidence.required(ALPHA) == pytest.approx(40)
    assert evidence.users == 1


def test_a_better_list_with_a_worse_metric_proves_nothing():
    ups, downs = np.full(300, 0.5), np.full(300, -0.01)
    assert Evidence.initial(1.0).after(ups, ups).proves(ALPHA)
    below = Evidence.initial(1.0).after(downs, ups)
    assert below.value > below.required(ALPHA)
    assert not below.proves(ALPHA)


def test_overwhelming_evidence_is_still_a_number():
    sure = np.full(100_000, 1.0)
    assert math.isfinite(Evidence.initial(1.0).after(sure, sure).value)


# What is compared


def by_hand(metric, rank):
    gains = {
        "ndcg@10": 1 / math.log2(rank + 1) if rank <= 10 else 0,
        "hit_rate@10": float(rank <= 10),
        "recall@10": float(rank <= 10),
        "precision@10": float(rank <= 10),
        "mrr": 1 / rank,
        "mean_rank_auc": 1 - (rank - 1) / 100,
        "auc": 1 - (rank - 1) / 100,
    }
    return gains[metric]


@pytest.mark.parametrize(
    "metric",
    ["ndcg@10", "hit_rate@10", "recall@10", "precision@10", "mrr", "mean_rank_auc"]
    + ["auc"],
)
def test_a_difference_is_of_the_mean_gain_of_a_user_s_targets(metric):
    own = [[1], [4, 40], [], [10, 11, 12]]
    others = [[3], [50, 2], [], [11, 10, 99]]
    by_metric, by_list = differences(users_of(own), users_of(others), metric, NOTHING)
    expected_metric, expected_list = [], []
    for one, other in zip(own, others, strict=True):
        if one:
            pairs = list(zip(one, other, strict=True))
            gaps = [by_hand(metric, a) - by_hand(metric, b) for a, b in pairs]
            expected_metric.append(sum(gaps) / len(gaps))
            gaps = [1 / math.log2(a + 1) - 1 / math.log2(b + 1) for a, b in pairs]
            expected_list.append(sum(gaps) / len(gaps))
    np.testing.assert_allclose(by_metric, expected_metric)
    np.testing.assert_allclose(by_list, expected_list)


def test_only_liked_targets_that_both_ranked_count():
    own = users_of([[1, 2], [3], [0]], label=[1, 0, 1, 1])  # 0: not in the sample
    others = users_of([[2, 1], [0], [3]], label=[1, 1, 1, 1])
    by_metric, _ = differences(own, others, "mrr", NOTHING)
    np.testing.assert_allclose(by_metric, [1 / 1 - 1 / 2])
    np.testing.assert_array_equal(liked_targets(own), [0, 2])


def test_targets_that_were_seen_do_not_count_again():
    own, others = users_of([[1, 2], [3]]), users_of([[2, 4], [5]])
    seen = np.array([0, 2], np.uint32)
    by_metric, by_list = differences(own, others, "mrr", seen)
    np.testing.assert_allclose(by_metric, [1 / 2 - 1 / 4])  # the other target of one
    assert len(by_list) == 1
    by_metric, _ = differences(own, others, "mrr", np.arange(3, dtype=np.uint32))
    assert len(by_metric) == 0


def test_models_judged_on_different_users_are_not_compared():
    with pytest.raises(ValueError, match="different users"):
        differences(users_of([[1]]), users_of([[1], [2]]), "mrr", NOTHING)
