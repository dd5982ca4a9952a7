"""Candidates of one model in the order of another one, by a plain reference."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from tests.support.models import build, make_interactions
from trainer_modules import features as f
from trainer_modules import ranking
from trainer_modules.configs.list_rules import Rules
from trainer_modules.left_out import ALWAYS, NEVER
from trainer_modules.list_rules import ListRules
from trainer_modules.sizes import Sizes

U, V = 40, 30  # rows of the user and the item table
N = 6  # candidates
USERS = np.arange(2, U)
ITEMS = np.arange(2, V)
PARTS = [("mf_sgd", "gmf"), ("popularity", "fm"), ("two_tower", "ease")]


def made(retrieval, ranking, candidates=N):
    """A model whose parts have weights drawn at random, or solved."""
    sizes = Sizes(U, V)
    model = build(
        "two_stage",
        sizes,
        retrieval=retrieval,
        ranking=ranking,
        candidates=candidates,
    )
    random = np.random.default_rng(0)
    rated = random.random([U, V]) < 0.3
    rated[:2] = rated[:, :2] = False
    for part in (model.retrieval, model.ranking):
        part(given())
        if hasattr(part, "solve"):
            part.solve(make_interactions(np.argwhere(rated), U, V))
        for weight in part.trainable_variables:
            weight.assign(random.normal(0, 0.5, weight.shape))
    return model


def histories(length=8):
    """Some have few items, others many; padded with 0."""
    random = np.random.default_rng(1)
    rows = np.zeros([len(USERS), length], np.int64)
    for row in rows:
        known = random.integers(0, length + 1)
        row[:known] = random.choice(ITEMS, known, replace=False)
    return rows


def given(items=ITEMS, **more):
    history = histories()
    return {
        f.USER_INDEX: tf.constant(USERS),
        f.ITEM_INDEX: tf.constant(items)[tf.newaxis],
        f.HISTORY_ITEM_INDEX: tf.constant(history),
        f.HISTORY_LABEL: tf.constant((history > 0).astype(np.int64)),
        **more,
    }


def lists_of(model, left_out, candidates=N):
    """The list of each user without what is left out, one stage after the other."""
    retrieved, ranked = (
        part(given()).numpy() for part in (model.retrieval, model.ranking)
    )
    lists = []
    for user in range(len(USERS)):
        possible = [i for i in range(len(ITEMS)) if ITEMS[i] not in left_out[user]]
        possible.sort(key=lambda i, user=user: -retrieved[user, i])
        first, others = possible[:candidates], possible[candidates:]
        first.sort(key=lambda i, user=user: -ranked[user, i])
        lists.append([*ITEMS[first], *ITEMS[others]])
    return lists


def listed(score, left_out):
    """The items in the order of their scores, without what is left out."""
    return [
        [i for i in ITEMS[np.argsort(-row, kind="stable")] if i not in out]
        for row, out in zip(score.numpy(), left_out, strict=True)
    ]


@pytest.mark.parametrize("parts", PARTS, ids="-".join)
def test_lists_are_the_candidates_as_ranked_and_then_the_rest_as_retrieved(parts):
    model = made(*parts)
    left_out = [set(row) for row in histories()]
    assert listed(model(given()), left_out) == lists_of(model, left_out)


def test_scores_of_candidates_are_those_of_the_ranking_model():
    model = made("mf_sgd", "gmf")
    score, ranked = model(given()).numpy(), model.ranking(given()).numpy()
    is_candidate = np.isclose(score, ranked, rtol=1e-5, atol=1e-6)
    assert (is_candidate.sum(1) == N).all()
    others = np.where(is_candidate, -np.inf, score)
    candidates = np.where(is_candidate, score, np.inf)
    assert (others.max(1) <= candidates.min(1) - 1 + 1e-5).all()


def test_scores_are_the_same_if_only_some_items_are_scored():
    model = made("mf_sgd", "gmf")
    some = ITEMS[[3, 17, 4, 4]]
    np.testing.assert_allclose(
        model(given(some)), model(given()).numpy()[:, [3, 17, 4, 4]], rtol=1e-5
    )


@pytest.mark.parametrize("num_users", [0, 1, 38])
def test_users_are_scored_in_blocks_as_they_are_together(num_users, monkeypatch):
    monkeypatch.setattr(ranking, "MAX_SCORED_PAIRS", 5 * V)
    model = made("mf_sgd", "gmf")
    features = {name: value[:num_users] for name, value in given().items()}
    expected = model(features | {f.ITEM_INDEX: tf.constant(ITEMS)[tf.newaxis]})
    features[f.ITEM_INDEX] = tf.constant(np.tile(ITEMS, [num_users, 1]))
    specs = {n: tf.TensorSpec([None] * v.ndim, v.dtype) for n, v in features.items()}

    @tf.function(autograph=False, input_signature=[specs])
    def score(features):
        candidates = ranking.Candidates.of(model, V, 0, 0)
        features = dict(features)
        items = features.pop(f.ITEM_INDEX)
        return ranking.score_candidates(model, features, items, candidates)

    np.testing.assert_allclose(score(features), expected, rtol=1e-5, atol=1e-5)


def test_what_may_be_recommended_again_is_among_the_candidates():
    model = made("mf_sgd", "gmf")
    history = histories()
    again = np.where(np.arange(8) % 2, ALWAYS, NEVER)[np.newaxis] + 0 * history
    left_out = [{i for place, i in enumerate(row) if place % 2 == 0} for row in history]
    features = given() | {f.HISTORY_AGAIN_FROM: tf.constant(again)}
    found = listed(model(features), left_out)
    assert found == lists_of(model, left_out)
    assert any(
        set(row[:N]) & set(past) for row, past in zip(found, history, strict=True)
    )


def test_what_rules_block_is_not_among_the_candidates():
    model = made("mf_sgd", "gmf")
    ids, denied = [str(item) for item in ITEMS], ITEMS[::3]
    rules = ListRules(
        Rules(deny=[str(item) for item in denied]),
        [item.encode() for item in ids],
        pa.table({f.ITEM_ID: ids}),
    )
    left_out = [{*row, *denied} for row in histories()]
    features = given()
    del features[f.ITEM_INDEX]
    row, score = ranking.best(
        model,
        features,
        tf.zeros([len(USERS)], tf.int64),
        ranking.Candidates.of(model, V, 0, 0, rules),
        tf.constant(len(ITEMS)),
    )
    is_item = score.numpy() > -np.inf
    found = [list(ITEMS[r[i]]) for r, i in zip(row.numpy(), is_item, strict=True)]
    assert found == lists_of(model, left_out)
    assert found != listed(model(given()), left_out)


@pytest.mark.parametrize("candidates", [len(ITEMS), 1000])
def test_with_as_many_candidates_as_items_the_ranking_model_decides(candidates):
    model = made("popularity", "gmf", candidates)
    none = [set()] * len(USERS)
    features = given(**{f.HISTORY_ITEM_INDEX: tf.zeros([len(USERS), 0], tf.int64)})
    ranked = model.ranking(given())
    assert listed(model(features), none) == listed(ranked, none)


def test_an_item_without_a_row_is_never_a_candidate():
    model = made("mf_sgd", "gmf")
    bias = model.retrieval.biases.item.embeddings
    unknown = [[f.UNKNOWN_INDEX]]  # the best of all items
    bias.assign(tf.tensor_scatter_nd_update(bias, unknown, [[99.0]]))
    score = model(given()).numpy()
    of_unknown = model(given(np.array([f.UNKNOWN_INDEX]))).numpy()
    assert (np.sort(score, 1)[:, -N:] > of_unknown).all()
