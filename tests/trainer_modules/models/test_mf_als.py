"""iALS against Rendle et al. 2022, solved one user at a time."""

import numpy as np
import pytest
import tensorflow as tf

from tests.reference import als as reference
from tests.support.models import build, make_interactions
from trainer_modules import features as f
from trainer_modules.layers import padded_rows
from trainer_modules.sizes import Sizes

USERS, ITEMS, DIM = 9, 11, 4
SETTINGS = {"embedding_dim": DIM, "epochs": 3, "unobserved_weight": 0.2}
REGULARIZATION = 0.05


@pytest.fixture(scope="module")
def pairs():
    random = np.random.default_rng(0)
    rated = random.random([USERS - 1, ITEMS]) < 0.4  # the last user liked nothing
    rated[:2] = rated[:, 0] = False  # padding; an item can be unknown, a user is not
    rated[:, 10] = False
    return [(int(u), int(i)) for u, i in np.argwhere(rated)]


@pytest.fixture
def start():
    return lambda **more: build(
        "mf_als", Sizes(USERS, ITEMS), regularization=REGULARIZATION, **SETTINGS | more
    )


def test_every_row_is_the_papers_solution(start, pairs):
    model = start()
    user, item = reference.alternate(
        pairs,
        model.user_embedding.numpy(),
        model.item_embedding.numpy(),
        epochs=3,
        weight=0.2,
        regularization=REGULARIZATION,
    )
    model.solve(make_interactions(pairs, USERS, ITEMS))
    rated = sorted({u for u, _ in pairs})
    for u in rated:  # once more, from the last items
        own = item[[i for v, i in pairs if v == u]]
        user[u] = reference.solve_row(own, item, 0.2, REGULARIZATION, ITEMS - 2)
    others = [u for u in range(USERS) if u not in rated]  # of whom nothing is known
    user[others] = user[rated].mean(0)
    np.testing.assert_allclose(model.user_embedding, user, atol=1e-4)
    np.testing.assert_allclose(model.item_embedding, item, atol=1e-4)
    assert np.abs(user).max() > 0.1
    assert not item[10].any()


def test_batches_of_rows_change_nothing(start, pairs, monkeypatch):
    whole, parts = start(), start()
    whole.solve(make_interactions(pairs, USERS, ITEMS))
    monkeypatch.setattr(padded_rows, "MAX_CELLS", 8)
    batches = list(padded_rows.padded_rows(make_interactions(pairs, USERS, ITEMS)))
    assert len(batches) == 3
    parts.solve(make_interactions(pairs, USERS, ITEMS))
    np.testing.assert_allclose(
        parts.user_embedding, whole.user_embedding, rtol=1e-4, atol=1e-5
    )


def test_a_user_with_a_history_is_folded_in(start, pairs):
    model = start()
    model.solve(make_interactions(pairs, USERS, ITEMS))
    item = model.item_embedding.numpy()
    history = [3, 7, 5]
    folded_in = reference.solve_row(item[[3, 5]], item, 0.2, REGULARIZATION, ITEMS - 2)
    score = model(
        {
            f.USER_INDEX: tf.constant([f.UNKNOWN_INDEX]),
            f.HISTORY_ITEM_INDEX: tf.constant([history]),
            f.HISTORY_LABEL: tf.constant([[1, 0, 1]]),  # 7 was not liked
            f.ITEM_INDEX: tf.range(ITEMS)[tf.newaxis],
        }
    )
    np.testing.assert_allclose(score[0], item @ folded_in, atol=1e-4)


def test_folding_in_what_a_user_was_trained_on_gives_the_trained_user(start, pairs):
    model = start()
    model.solve(make_interactions(pairs, USERS, ITEMS))
    for user in sorted({user for user, _ in pairs}):
        liked = [i for u, i in pairs if u == user]
        # A stranger with that history is solved; for the user the trained vector does.
        three = {
            f.USER_INDEX: tf.constant([f.UNKNOWN_INDEX, user, user]),
            f.HISTORY_ITEM_INDEX: tf.constant([liked, liked[::-1], [0] * len(liked)]),
            f.HISTORY_LABEL: tf.ones([3, len(liked)], tf.int32),
            f.ITEM_INDEX: tf.range(ITEMS)[tf.newaxis],
        }
        folded_in, trained, without_history = model(three).numpy()
        assert np.abs(trained).max() > 0.3
        np.testing.assert_allclose(folded_in, trained, atol=1e-4)
        np.testing.assert_allclose(trained, without_history, rtol=1e-5)


def test_only_another_history_is_solved_anew(start, pairs):
    model = start()
    model.solve(make_interactions(pairs, USERS, ITEMS))
    model.gramian.assign(model.gramian * 3)  # which only solving reads
    user = pairs[0][0]
    liked = [i for u, i in pairs if u == user]
    scores = model(
        {
            f.USER_INDEX: tf.constant([user, user]),
            f.HISTORY_ITEM_INDEX: tf.constant([[*liked, 0], [*liked, 10]]),
            f.HISTORY_LABEL: tf.ones([2, len(liked) + 1], tf.int32),
            f.ITEM_INDEX: tf.range(ITEMS)[tf.newaxis],
        }
    ).numpy()
    trained = model.item_embedding.numpy() @ model.user_embedding.numpy()[user]
    np.testing.assert_allclose(scores[0], trained, rtol=1e-4, atol=1e-6)
    assert np.abs(scores[1] - trained).max() > 0.01


def test_minimises_the_papers_objective(start, pairs):
    def objective(model):
        user, item = model.user_embedding.numpy()[2:], model.item_embedding.numpy()
        user, item = np.vstack([np.zeros([2, DIM]), user]), np.array(item)
        item[0] = 0
        rated = np.array([user[u] @ item[i] for u, i in pairs])
        num_rated = [
            np.bincount([pair[side] for pair in pairs], minlength=size)
            for side, size in enumerate((USERS, ITEMS))
        ]
        ridge = sum(
            ((count + 0.2 * (size - 2)) * (rows**2).sum(1)).sum()
            for count, size, rows in (
                (num_rated[0], ITEMS, user),
                (num_rated[1], USERS, item),
            )
        )
        return (
            ((rated - 1) ** 2).sum()
            + 0.2 * ((user @ item.T) ** 2).sum()
            + REGULARIZATION * ridge
        )

    objectives = []
    for epochs in (1, 2, 4, 8):
        model = start(epochs=epochs)
        model.solve(make_interactions(pairs, USERS, ITEMS))
        objectives.append(objective(model))
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[-1] < objectives[0]
