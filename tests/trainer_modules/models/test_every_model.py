"""What every model of the registry must do; a new one joins by its row there."""

import dataclasses
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import configs
from trainer_modules import features as f
from trainer_modules.registry import MODELS, POPULARITY

SOURCES = Path(sys.modules[configs.__name__].__file__).parent / "models"
FITTED = [name for name, spec in MODELS.items() if spec.task != "closed_form"]
U, V = 7, 9  # rows of the user and the item table

# The numbers of the papers' tables and layers, with their default settings.
NUM_PARAMETERS = {
    "popularity": V,
    # A vector each (equation 1), and the Gramian that folding in needs.
    "mf_als": (U + V) * 192 + 192 * 192,
    # Embeddings of both halves; W_l and b_l of figure 3; h and the bias of equation 12.
    "neumf": (U + V) * (8 + 32)
    + (64 * 32 + 32) + (32 * 16 + 16) + (16 * 8 + 8)
    + (8 + 8 + 1),
}  # fmt: skip


def features(user, items, history=None, label=None):
    """Of users [B] with candidates [B, C] or [1, C]."""
    history = np.zeros([len(user), 0]) if history is None else np.asarray(history)
    label = history > 0 if label is None else np.asarray(label)
    return {
        f.USER_INDEX: tf.constant(user, tf.int64),
        f.ITEM_INDEX: tf.constant(items, tf.int64),
        f.HISTORY_ITEM_INDEX: tf.constant(history, tf.int64),
        f.HISTORY_LABEL: tf.constant(label, tf.int64),
    }


USERS = [2, 5, 3]
ITEMS = [[2, 8, 3, 5], [4, 2, 7, 1], [8, 8, 6, 2]]
HISTORY = [[4, 5, 0], [3, 0, 0], [0, 0, 0]]


@pytest.fixture(params=list(MODELS), scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name, build, interactions):
    """Of default settings, with weights that are not those of the start."""
    model = build(name, U, V)
    random = np.random.default_rng(2)
    model(features(USERS, ITEMS, HISTORY))
    if MODELS[name].task == "closed_form":
        pairs = [
            (u, v) for u in range(2, U) for v in range(1, V) if random.random() < 0.5
        ]
        model.solve(interactions(pairs, U, V))
    else:
        for weight in model.trainable_variables:
            weight.assign(random.normal(0, 0.3, weight.shape))
    return model


def test_scores_are_one_finite_number_for_each_candidate(model):
    score = model(features(USERS, ITEMS, HISTORY))
    assert score.shape == [3, 4]
    assert score.dtype == tf.float32
    assert np.isfinite(score).all()


def test_one_list_of_candidates_serves_all_users(model):
    shared = model(features(USERS, [[2, 8, 3, 5]], HISTORY))
    each = model(features(USERS, [[2, 8, 3, 5]] * 3, HISTORY))
    assert shared.shape == [3, 4]
    np.testing.assert_allclose(shared, each, rtol=1e-5, atol=1e-6)


def test_a_score_does_not_depend_on_the_rest_of_the_batch(model):
    together = model(features(USERS, ITEMS, HISTORY))
    for row in range(3):
        alone = model(
            features(USERS[row : row + 1], ITEMS[row : row + 1], HISTORY[row : row + 1])
        )
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-5, atol=1e-6)


def test_a_score_does_not_depend_on_the_other_candidates(model):
    together = model(features(USERS, ITEMS, HISTORY)).numpy()
    for column in range(4):
        items = np.array(ITEMS)[:, column : column + 1]
        alone = model(features(USERS, items, HISTORY)).numpy()
        np.testing.assert_allclose(
            alone[:, 0], together[:, column], rtol=1e-5, atol=1e-6
        )


def test_scores_differ_between_items(model):
    assert np.std(model(features([2], [range(2, V)]))) > 1e-3


def test_unknown_ids_and_an_empty_history_have_a_score(model):
    score = model(features([f.UNKNOWN_INDEX, 2], [[f.UNKNOWN_INDEX, 3]]))
    assert score.shape == [2, 2]
    assert np.isfinite(score).all()


def test_padding_of_the_history_changes_nothing(model):
    short = model(features(USERS, ITEMS, HISTORY))
    longer = np.pad(HISTORY, [(0, 0), (0, 4)])
    np.testing.assert_allclose(
        model(features(USERS, ITEMS, longer)), short, rtol=1e-5, atol=1e-6
    )


def test_has_as_many_parameters_as_the_paper(name, build):
    model = build(name, U, V)
    model(features(USERS, ITEMS, HISTORY))
    assert model.count_params() == NUM_PARAMETERS[name]


def test_the_same_seed_gives_the_same_start(name, build):
    def started(seed):
        model = build(name, U, V, seed)
        model(features(USERS, ITEMS, HISTORY))  # layers make their weights now
        return model

    first, same, other = map(started, (3, 3, 4))
    for a, b in zip(first.weights, same.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    if name != POPULARITY:  # which draws nothing
        assert any(
            (a.numpy() != b.numpy()).any()
            for a, b in zip(first.weights, other.weights, strict=True)
        )


@pytest.mark.parametrize("name", FITTED)
def test_every_trainable_variable_gets_a_gradient(name, build):
    model = build(name, U, V)
    # The products of tiny embeddings hide what does not arrive.
    model(features(USERS, ITEMS, HISTORY))
    for weight in model.trainable_variables:
        weight.assign(np.random.normal(0, 0.5, weight.shape))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(features(USERS, ITEMS, HISTORY), training=True) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    assert gradients
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.name
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.name


def changed(value):
    """Another value of the same type."""
    return tuple(v + 1 for v in value) if isinstance(value, tuple) else value * 2 + 1


def test_settings_survive_json(name):
    config = MODELS[name].config_class()
    others = {k: changed(v) for k, v in dataclasses.asdict(config).items()}
    wanted = dataclasses.replace(config, **others)
    assert config == configs.parse(type(config), {})
    assert wanted == configs.parse(
        type(config), json.loads(json.dumps(dataclasses.asdict(wanted)))
    )


def test_an_unknown_setting_and_a_wrong_type_are_refused(name):
    with pytest.raises(ValueError, match="no field 'learnig_rate'"):
        configs.parse(MODELS[name].config_class, {"learnig_rate": 0.1})
    for field in dataclasses.fields(MODELS[name].config_class):
        with pytest.raises(TypeError, match=field.name):
            configs.parse(MODELS[name].config_class, {field.name: "much"})


def mean_rank_of_the_never_rated(serving, planted):
    """Where the item that a user's taste tells is among what the user has not rated."""
    records = [tf.train.Example.FromString(r).features for r in planted.records]

    def values(name):
        return np.array([r.feature[name].bytes_list.value for r in records])

    users, seen = (
        values(f.USER_ID)[:, 0],
        [values(f.HISTORY_ITEM_ID), values(f.ITEM_ID)],
    )
    lists = serving.recommend(
        tf.constant(users), tf.constant(np.concatenate(seen, 1)), tf.constant(99)
    )["item_id"].numpy()
    return np.mean(
        [
            ids.tolist().index(planted.never_rated[user]) + 1
            for user, ids in zip(users, lists, strict=True)
        ]
    )


def test_learns_a_checkerboard_better_than_popularity(name, served, planted):
    # 12 items are not rated: one of the user's colour, 11 of the other.
    mean_rank = mean_rank_of_the_never_rated(served(name)[0], planted)
    if name == POPULARITY:
        assert 4 < mean_rank < 9
    else:
        assert mean_rank < 1.2


def test_the_saved_model_scores_as_the_one_in_memory(
    name, served, trained, planted, serialize
):
    _, folder = served(name)
    users = [b"u03", b"u08", b"new"]
    candidates = [b"b00", b"w05", b"b11", b"new"]
    history = [b"b01", b"b02", b"w03"]
    records = [
        serialize(
            user_id=[user],
            candidate_item_id=candidates,
            history_item_id=history,
            history_rating=[5.0, 1.0, 4.0],
        )
        for user in users
    ]
    signature = tf.saved_model.load(folder).signatures["serving_default"]
    user_vocabulary, item_vocabulary = (
        planted.output.vocabulary_by_name(which)
        for which in (f.USER_VOCABULARY, f.ITEM_VOCABULARY)
    )

    def indices(ids, vocabulary):
        return [vocabulary.index(i) + 2 if i in vocabulary else 1 for i in ids]

    in_memory = trained(name)(
        features(
            indices(users, user_vocabulary),
            [indices(candidates, item_vocabulary)] * 3,
            [indices(history, item_vocabulary)] * 3,
            [[1, 0, 1]] * 3,
        )
    )
    np.testing.assert_allclose(
        signature(tf.constant(records))["score"], in_memory, rtol=1e-5, atol=1e-6
    )


def test_its_file_is_short_and_cites_its_paper(name):
    source = (SOURCES / f"{name}.py").read_text()
    assert len(source.splitlines()) <= 80
    header = source.split('"""')[1]
    assert re.search(r"https://", header)
    assert re.search(r"equation|section", header)
