"""Item-based nearest neighbours against loops over a dense matrix."""

import numpy as np
import pytest

from tests.support.models import build, make_interactions, score_all_items
from trainer_modules.layers import co_occurrences
from trainer_modules.sizes import Sizes

USERS, ITEMS, SHRINK = 15, 12, 2.5


@pytest.fixture(scope="module")
def liked():
    """What each user liked; nothing of the first items, and not the last user."""
    liked = np.random.default_rng(0).random([USERS, ITEMS]) < 0.4
    liked[:2] = liked[-1] = liked[:, 0] = False
    return liked


def similarities(liked, num_neighbours):
    """Each item's similarity to its nearest neighbours; 0 to all other items."""
    kept = np.zeros([ITEMS, ITEMS])
    for item in range(ITEMS):
        found = []
        for other in range(ITEMS):
            both = sum(user[item] and user[other] for user in liked)
            if other != item and both:
                lengths = np.sqrt(liked[:, item].sum()) * np.sqrt(liked[:, other].sum())
                found.append((both / (lengths + SHRINK), -other))
        for similarity, other in sorted(found, reverse=True)[:num_neighbours]:
            kept[item, -other] = similarity
    return kept


def solve(liked, num_neighbours):
    model = build(
        "item_knn",
        Sizes(USERS, ITEMS),
        num_neighbours=num_neighbours,
        shrink=SHRINK,
    )
    model.solve(make_interactions(np.argwhere(liked), USERS, ITEMS))
    return model


@pytest.mark.parametrize("num_neighbours", [1, 3, ITEMS, 50])
@pytest.mark.parametrize("cells", [1, 5 * ITEMS, 1 << 20])
def test_a_score_is_the_sum_over_the_neighbours_that_were_liked(
    liked, num_neighbours, cells, monkeypatch
):
    monkeypatch.setattr(co_occurrences, "MAX_CELLS", cells)
    kept = similarities(liked, num_neighbours)
    model = solve(liked, num_neighbours)
    assert model.neighbour.shape == [ITEMS, min(num_neighbours, ITEMS)]
    # 7 was not liked, 0 is padding, and a repeated item counts once, as in training.
    score = score_all_items(model, [3, 7, 5, 3, 0], [1, 0, 1, 1, 1])
    np.testing.assert_allclose(score, kept[:, 3] + kept[:, 5], atol=1e-6)
    assert np.ptp(score) > 0.1


def test_without_a_history_the_scores_are_the_mean_over_users(liked):
    model = solve(liked, 4)
    users = liked[liked.any(1)]
    expected = (users @ similarities(liked, 4).T).mean(0)
    for history, label in (([], []), ([4], [0])):
        np.testing.assert_allclose(
            score_all_items(model, history, label), expected, atol=1e-6
        )


def test_items_that_nobody_liked_have_no_neighbours(liked):
    model = solve(liked, 4)
    assert not model.similarity[0].numpy().any()
    # As in the table of similarities above: an item is not its own neighbour.
    real = model.similarity.numpy() > 0
    assert not (real & (model.neighbour.numpy() == np.arange(ITEMS)[:, None])).any()
