"""EASE against Steck 2019's objective, minimised one item at a time."""

import numpy as np
import pytest

from tests.support.models import build, make_interactions, score_all_items
from trainer_modules.layers import co_occurrences
from trainer_modules.sizes import Sizes

USERS, ITEMS = 12, 10
L2 = 3.0


@pytest.fixture(scope="module")
def liked():
    """X: what each user liked; nothing of the first items, and not the last user."""
    liked = (np.random.default_rng(0).random([USERS, ITEMS]) < 0.5).astype(float)
    liked[:2] = liked[-1] = liked[:, 0] = 0
    return liked


@pytest.fixture(scope="module")
def weight(liked):
    """B: each item by least squares from all the others, without a closed form."""
    weight = np.zeros([ITEMS, ITEMS])
    for item in range(ITEMS):
        others = [other for other in range(ITEMS) if other != item]
        rows = np.vstack([liked[:, others], np.sqrt(L2) * np.eye(ITEMS - 1)])
        target = np.concatenate([liked[:, item], np.zeros(ITEMS - 1)])
        weight[others, item] = np.linalg.lstsq(rows, target, rcond=None)[0]
    return weight


@pytest.fixture
def solved(liked):
    def solve():
        model = build("ease", Sizes(USERS, ITEMS), l2=L2)
        model.solve(make_interactions(np.argwhere(liked), USERS, ITEMS))
        return model

    return solve


def test_every_column_is_the_least_squares_solution_without_itself(solved, weight):
    model = solved()
    np.testing.assert_allclose(model.item_weight, weight, atol=1e-6)
    assert np.abs(weight).max() > 0.2
    assert not np.diag(model.item_weight).any()


@pytest.mark.parametrize("cells", [1, 3 * ITEMS])
def test_blocks_of_items_change_nothing(solved, weight, monkeypatch, cells):
    monkeypatch.setattr(co_occurrences, "MAX_CELLS", cells)
    np.testing.assert_allclose(solved().item_weight, weight, atol=1e-6)


def test_a_score_is_the_sum_of_the_weights_of_liked_items(solved, weight):
    # 7 was not liked, 0 is padding, and a repeated item counts once, as in training.
    score = score_all_items(solved(), [3, 7, 5, 3, 0], [1, 0, 1, 1, 1])
    np.testing.assert_allclose(score, weight[3] + weight[5], atol=1e-6)


def test_without_a_history_the_scores_are_the_mean_over_users(solved, liked, weight):
    model = solved()
    users = liked[liked.any(1)]
    for history, label in (([], []), ([4], [0])):
        np.testing.assert_allclose(
            score_all_items(model, history, label), (users @ weight).mean(0), atol=1e-6
        )


def test_a_catalogue_above_the_limit_ends_in_one_line():
    with pytest.raises(MemoryError) as error:
        build("ease", Sizes(USERS, 50_002))
    assert str(error.value) == (
        "ease has a weight between every two of 50,002 items, which takes 40 GB to "
        "solve; models.ease.max_items is 20,000. Train item_knn or mf_als instead, or "
        "raise that setting if the machine has the memory."
    )
    build("ease", Sizes(USERS, 1001), max_items=1001)
