"""What every model of the registry must do; a new one joins by its row there."""

import base64
import dataclasses
import json
import re
import subprocess
import sys
import textwrap
import typing
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given

import trainer_modules
from components import saved_model_scan
from tests.support.declared_values import inside
from tests.support.examples import serialize
from tests.support.models import build, make_interactions
from trainer_modules import features as f
from trainer_modules.configs import parse
from trainer_modules.registry import MODELS, POPULARITY
from trainer_modules.sizes import Sizes, Weighted

SOURCES = Path(trainer_modules.__file__).parent / "models"
FITTED = [name for name, spec in MODELS.items() if spec.is_fitted]
U, V = 7, 9  # rows of the user and the item table
IDS = Sizes(U, V)
FIELDS = Sizes(
    U,
    V,
    user_fields=("user_age_index", "user_gender_index", "user_taste_vector"),
    user_vectors={"user_taste_vector": 3},
    user_weights={"user_gender_index": "user_gender_weight"},
    num_user_values=7,
    item_fields={
        "item_genres": np.array(
            [[0, 0], [0, 0], [2, 3], [3, 0], [0, 0], [4, 2], [2, 0], [3, 4], [0, 0]],
            np.int32,
        ),
        "item_moods": Weighted(
            np.array(
                [[0, 0]] * 3 + [[2, 4], [0, 0], [3, 0], [4, 2], [3, 2], [2, 0]],
                np.int32,
            ),
            np.array(
                [[0, 0]] * 3 + [[0.5, 2], [0, 0], [3, 0], [0, 1], [1, 1], [0.1, 0]],
                np.float32,
            ),
        ),
        "item_cover": np.array(
            [
                [0, 0],
                [0, 0],
                [1, -1],
                [0.5, 2],
                [0, 0],
                [-1, 1],
                [2, 1],
                [0, 3],
                [1, 0],
            ],
            np.float32,
        ),
    },
    num_item_values=5,
    num_context_fields=2,
    num_context_values=7,
)
ROUNDING = {"rtol": 1e-5, "atol": 3e-5}  # of scores around 10, added up otherwise
BOTH = pytest.mark.parametrize("sizes", [IDS, FIELDS], ids=["ids", "fields"])
# By user: one value or none, several or none; 1 is a value that training did not see.
USER_FIELDS = {
    "user_age_index": np.array([[0], [1], [3], [3], [2], [0], [2]]),
    "user_gender_index": np.array(
        [[0, 0], [0, 0], [4, 0], [5, 6], [1, 4], [5, 0], [0, 0]]
    ),
    "user_gender_weight": np.array(
        [[0, 0], [0, 0], [0.5, 0], [1, 3], [2, 0.25], [0, 0], [0, 0]], np.float32
    ),
    "user_taste_vector": np.array(
        [
            [0, 0, 0],
            [0, 0, 0],
            [1, 2, -1],
            [0, -1, 0.5],
            [0, 0, 0],
            [3, 0, 1],
            [1, 1, 1],
        ],
        np.float32,
    ),
    # The hour and the weekday of each user's request, or neither.
    f.CONTEXT: np.array([[0, 0], [2, 5], [3, 6], [0, 0], [2, 6], [4, 5], [4, 6]]),
}


def num_parameters(sizes):
    """The numbers of the papers' tables and layers, with their default settings."""
    u, v, fields = sizes.num_users, sizes.num_items, sizes.num_fields
    pairs = fields * (fields - 1) // 2
    n = u + v  # rows of the tables of all fields
    n += sizes.num_user_values if sizes.user_fields else 0
    n += sizes.num_item_values if sizes.item_fields else 0
    n += sizes.num_context_values if sizes.num_context_fields else 0
    # A projection has a row for each number of a vector.
    n += 3 + 2 if sizes is FIELDS else 0
    numbers = {
        "popularity": v,
        # A vector each (equation 1); for folding in, the Gramian and a fingerprint.
        "mf_als": (u + v) * 192 + 192 * 192 + u,
        # Each item's neighbours and their similarities (all, with so few items); the
        # mean user's scores.
        "item_knn": 2 * v * v + v,
        # B, and the mean user's scores.
        "ease": v * v + v,
        # A vector and a bias each (equation 4); the mean is not a parameter.
        "mf_sgd": (u + v) * (100 + 1),
        # Embeddings of both halves; W_l, b_l of figure 3; h and bias of equation 12.
        "neumf": (u + v) * (8 + 32)
        + (64 * 32 + 32) + (32 * 16 + 16) + (16 * 8 + 8)
        + (8 + 8 + 1),
        # Equations 8 and 9: embeddings, h and a bias; equation 10: the other half.
        "gmf": (u + v) * 8 + (8 + 1),
        "mlp": (u + v) * 32 + (64 * 32 + 32) + (32 * 16 + 16) + (16 * 8 + 8) + 8,
        # Vectors of 32 for each half; a tower of 256, 128 and 64; h and its bias.
        "ncf": (u + v) * 2 * 32
        + (64 * 256 + 256) + (256 * 128 + 128) + (128 * 64 + 64)
        + (32 + 64 + 1),
        # A vector of LightFM's 10 components and a bias for each value of any field.
        "warp_mf": n * (10 + 1),
        # Layer 0 and the sum of the others, for each user and item.
        "light_gcn": 2 * (u + v) * 64,
        # A vector for each value of any field; towers of 128 and 64.
        "two_tower": n * 64
        + fields * 64 * 128 + 2 * 128
        + 2 * (128 * 64 + 64),
        # w_0, w and V of equation 1.
        "fm": 1 + n * (1 + 16),
        # The same; the deep network of equations 3 and 4.
        "deepfm": 1 + n * (1 + 16)
        + (fields * 16 * 128 + 128) + (128 * 128 + 128) + 128,
        # W, b and h of equation 5, of which two fields have no need; p.
        "afm": 1 + n * (1 + 16) + (fields > 2) * (16 * 32 + 32 + 32) + 16,
        # Query, key, value and W_res of one layer; a tower.
        "autoint": n * 16
        + 4 * 16 * 16
        + (fields * 16 * 128 + 128) + (128 * 128 + 128)
        + (fields * 16 + 128 + 1),
        # W_l and b_l of two crosses; a tower.
        "dcn": n * 16
        + 2 * ((fields * 16) ** 2 + fields * 16)
        + (fields * 16 * 128 + 128) + (128 * 128 + 128)
        + (fields * 16 + 128 + 1),
        # A tower over the fields and their pairs.
        "ipnn": n * 16
        + ((fields * 16 + pairs) * 128 + 128) + (128 * 128 + 128) + (128 + 1),
        # The same, and a kernel of each pair.
        "opnn": n * 16 + pairs * 16 * 16
        + ((fields * 16 + pairs) * 128 + 128) + (128 * 128 + 128) + (128 + 1),
        # Weights and a bias of the linear part, the tables and the tower of the deep.
        "wide_deep": (1 + n) + n * 16
        + (fields * 16 * 128 + 128) + (128 * 128 + 128) + (128 + 1),
        # W of equation 6 for two layers of 16 maps; a tower; the weights of all maps.
        "xdeepfm": 1 + n * (1 + 16)
        + (fields * fields * 16 + 16 * fields * 16)
        + (fields * 16 * 128 + 128) + (128 * 128 + 128) + (16 + 16 + 128),
        # U, V and X, and the one W of equations 2 and 3.
        "attrec": (u + 2 * v) * 64 + 64 * 64,
        # Items and places; in each of two blocks, two normalisations, the projections
        # of section 3.2 and the two layers of equation 5; a normalisation at the end.
        "sasrec": (v + 200) * 64
        + 2 * (2 * 2 * 64 + 4 * (64 * 64 + 64) + 2 * (64 * 64 + 64))
        + 2 * 64,
        # Items; of each of the three gates, weights of item and state, and two biases;
        # the projection.
        "gru4rec": v * 64 + 3 * (2 * 64 * 64 + 2 * 64) + (64 * 64 + 64),
        # Items and places; in each of two blocks, the projections to U, V, Q and K,
        # a bias for each distance and each bucket of times, and the projection of the
        # output.
        "hstu": (v + 200) * 64 + 2 * (64 * 4 * 64 + 200 + 128 + 64 * 64 + 64),
    }  # fmt: skip
    # Those of its two parts.
    return numbers | {"two_stage": numbers["two_tower"] + numbers["deepfm"]}


def features(user, items, history=None, label=None, user_fields=USER_FIELDS):
    """Returns features of users [B] with candidates [B, C] or [1, C]."""
    history = np.zeros([len(user), 0]) if history is None else np.asarray(history)
    label = history > 0 if label is None else np.asarray(label)
    time = np.broadcast_to(TIMES[: history.shape[1]], history.shape)
    return {
        f.USER_INDEX: tf.constant(user, tf.int64),
        f.ITEM_INDEX: tf.constant(items, tf.int64),
        f.HISTORY_ITEM_INDEX: tf.constant(history, tf.int64),
        f.HISTORY_LABEL: tf.constant(label, tf.int64),
        f.HISTORY_TIMESTAMP: tf.constant(time, tf.int64),
    } | {
        name: tf.constant(table[user], tf.float32 if table.dtype == "f" else tf.int64)
        for name, table in user_fields.items()
    }


TIMES = 60 ** np.arange(9)  # of the items of a history
USERS = [2, 5, 3]
ITEMS = [[2, 8, 3, 5], [4, 2, 7, 1], [8, 8, 6, 2]]
# Three, for of two items each can look only at the other: no projection matters.
HISTORY = [[4, 5, 7], [3, 0, 0], [0, 0, 0]]


@pytest.fixture(params=list(MODELS), scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def started():
    """Makes a model of default settings whose weights are not those of the start."""

    def make(name, sizes):
        model = build(name, sizes)
        random = np.random.default_rng(2)
        model(features(USERS, ITEMS, HISTORY))
        if MODELS[name].task == "closed_form":
            rated = random.random([U, V]) < 0.5
            rated[:2] = rated[:, 0] = False
            model.solve(make_interactions(np.argwhere(rated), U, V))
        else:
            for weight in model.trainable_variables:
                weight.assign(random.normal(0, 0.3, weight.shape))
        return model

    return make


@pytest.fixture(scope="module")
def model(name, started):
    return started(name, FIELDS)


@BOTH
def test_scores_are_one_finite_number_for_each_candidate(name, started, sizes):
    score = started(name, sizes)(features(USERS, ITEMS, HISTORY))
    assert score.shape == [3, 4]
    assert score.dtype == tf.float32
    assert np.isfinite(score).all()


def test_one_list_of_candidates_serves_all_users_in_a_graph_of_any_size(model):
    given = features(USERS, [[2, 8, 3, 5]], HISTORY)
    sizes = {name: [None] * value.ndim for name, value in given.items()}
    sizes[f.ITEM_INDEX] = [1, None]  # as in ``ranking.score_unseen``
    specs = {n: tf.TensorSpec(size, given[n].dtype) for n, size in sizes.items()}
    shared = tf.function(model, input_signature=[specs])(given)
    each = model(features(USERS, [[2, 8, 3, 5]] * 3, HISTORY))
    assert shared.shape == [3, 4]
    np.testing.assert_allclose(shared, each, **ROUNDING)


def test_a_score_does_not_depend_on_the_rest_of_the_batch(model):
    together = model(features(USERS, ITEMS, HISTORY))
    for row in range(3):
        alone = model(
            features(USERS[row : row + 1], ITEMS[row : row + 1], HISTORY[row : row + 1])
        )
        np.testing.assert_allclose(alone[0], together[row], **ROUNDING)


def test_a_score_does_not_depend_on_the_other_candidates(model):
    together = model(features(USERS, ITEMS, HISTORY)).numpy()
    for column in range(4):
        items = np.array(ITEMS)[:, column : column + 1]
        alone = model(features(USERS, items, HISTORY)).numpy()
        np.testing.assert_allclose(alone[:, 0], together[:, column], **ROUNDING)


def test_scores_differ_between_items(model):
    assert np.std(model(features([2], [range(2, V)]))) > 1e-3


def test_unknown_ids_and_an_empty_history_have_a_score(model):
    score = model(features([f.UNKNOWN_INDEX, 2], [[f.UNKNOWN_INDEX, 3]]))
    assert score.shape == [2, 2]
    assert np.isfinite(score).all()


def test_padding_of_the_history_changes_nothing(model):
    short = model(features(USERS, ITEMS, HISTORY))
    longer = np.pad(HISTORY, [(0, 0), (0, 4)])
    np.testing.assert_allclose(model(features(USERS, ITEMS, longer)), short, **ROUNDING)


def test_padding_of_a_users_fields_changes_nothing(model):
    of_one_width = {*FIELDS.user_vectors, f.CONTEXT}
    wider = {
        name: np.pad(table, [(0, 0), (0, 0 if name in of_one_width else 2)])
        for name, table in USER_FIELDS.items()
    }
    np.testing.assert_allclose(
        model(features(USERS, ITEMS, HISTORY, user_fields=wider)),
        model(features(USERS, ITEMS, HISTORY)),
        **ROUNDING,
    )


def test_the_registry_knows_which_models_read_fields_and_the_context(name, model):
    given = features(USERS, ITEMS, HISTORY)
    at_another_time = given | {f.CONTEXT: tf.constant([[4, 5]] * 3, tf.int64)}
    scores, others = model(given).numpy(), model(at_another_time).numpy()
    is_same = np.isclose(scores, others, rtol=0, atol=1e-3)
    assert is_same.all() != MODELS[name].reads_fields


def test_a_missing_feature_raises_where_it_would_matter(model):
    given = features(USERS, ITEMS, HISTORY)
    score = model(given).numpy()
    raised = set()
    for missing in given:
        try:
            without = model({k: v for k, v in given.items() if k != missing})
        except KeyError as error:
            raised |= {name for name in given if name in str(error)}
        else:  # a feature that this model does not read
            np.testing.assert_array_equal(without, score, err_msg=missing)
    assert {f.USER_INDEX, f.ITEM_INDEX} <= raised


@pytest.mark.usefixtures("_mixed_float16")
def test_mixed_precision_leaves_scores_and_variables_in_float32(name):
    model = build(name, FIELDS)
    score = model(features(USERS, ITEMS, HISTORY), training=True)
    assert score.dtype == tf.float32
    assert np.isfinite(score).all()
    assert all(w.dtype == tf.float32 for w in model.weights if w.dtype.is_floating)


@BOTH
def test_has_as_many_parameters_as_the_paper(name, sizes):
    model = build(name, sizes)
    model(features(USERS, ITEMS, HISTORY))
    assert model.count_params() == num_parameters(sizes)[name]


def test_the_same_seed_gives_the_same_start(name):
    def made(seed):
        model = build(name, FIELDS, seed)
        model(features(USERS, ITEMS, HISTORY))  # layers make their weights now
        return model

    first, same, other = map(made, (3, 3, 4))
    for a, b in zip(first.weights, same.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    if any(weight.numpy().any() for weight in first.weights):  # else it draws nothing
        assert any(
            (a.numpy() != b.numpy()).any()
            for a, b in zip(first.weights, other.weights, strict=True)
        )


@BOTH
@pytest.mark.parametrize("name", FITTED)
def test_every_trainable_variable_gets_a_gradient(name, started, sizes):
    # The products of tiny embeddings would hide what does not arrive.
    model = started(name, sizes)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(features(USERS, ITEMS, HISTORY), training=True) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    assert gradients
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.name
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.name


@given(data=st.data())
def test_settings_survive_json(name, data):
    config_class = MODELS[name].config_class
    assert config_class() == parse.parse(config_class, {})
    hints = typing.get_type_hints(config_class, include_extras=True)
    values = {field: data.draw(inside(hint)) for field, hint in hints.items()}
    if name in ("mlp", "neumf"):
        values["hidden_units"][0] += 1  # user and item share it
    if "heads" in values:
        values["embedding_dim"] *= values["heads"]  # which share it
    if values.get("mode") == "dist":
        values["optimizer"] = "adam"  # lazy_adam cannot bound vectors
    config = parse.parse(config_class, values)
    written = json.dumps(dataclasses.asdict(config))
    assert json.loads(written) == values
    assert parse.parse(config_class, json.loads(written)) == config


def test_an_unknown_setting_and_a_wrong_type_are_refused(name):
    with pytest.raises(ValueError, match="no field 'learnig_rate'"):
        parse.parse(MODELS[name].config_class, {"learnig_rate": 0.1})
    for field in dataclasses.fields(MODELS[name].config_class):
        with pytest.raises(ValueError, match=field.name):
            parse.parse(MODELS[name].config_class, {field.name: ["much"]})


@pytest.fixture(scope="module")
def never_rated(planted):
    """Records with what a user has not rated, the item of the own colour first."""
    catalogue = set(planted.output.vocabulary_by_name(f.ITEM_VOCABULARY))
    records = []
    for record in planted.records:
        feature = tf.train.Example.FromString(record).features.feature
        user_id, history, targets = (
            list(feature[name].bytes_list.value)
            for name in (f.USER_ID, f.HISTORY_ITEM_ID, f.ITEM_ID)
        )
        own = planted.never_rated[user_id[0]]
        others = sorted(catalogue - {own, *history, *targets})
        records.append(
            serialize(
                user_id=user_id,
                candidate_item_id=[own, *others],
                history_item_id=history,
                history_rating=list(feature[f.HISTORY_RATING].float_list.value),
            )
        )
    return tf.constant(records)


@pytest.mark.integration
def test_learns_a_checkerboard_better_than_popularity(name, served, never_rated):
    score = served(name).score(never_rated)["score"].numpy()
    assert score.shape == (len(never_rated), 8)  # seven are of the other colour
    mean_rank = (score >= score[:, :1]).sum(1).mean()
    if name == POPULARITY:
        assert 3 < mean_rank < 7
    else:
        assert mean_rank < 1.2


@pytest.fixture(scope="module")
def asked():
    """Records of two known users and a new one, and what they say as ids."""
    users, history = [b"u03", b"u08", b"new"], [b"b01", b"b02", b"w03"]
    candidates = [b"b00", b"w05", b"b11", b"new"]
    records = [
        serialize(
            user_id=[user],
            candidate_item_id=candidates,
            history_item_id=history,
            history_rating=[5.0, 1.0, 4.0],
            history_timestamp=TIMES[:3].tolist(),
        )
        for user in users
    ]
    return records, (users, candidates, history, [1, 0, 1])


@pytest.fixture(scope="module")
def exported():
    """The folders of the models that were exported, and what they scored here."""
    return {}


@pytest.mark.integration
def test_scores_raw_bytes_as_it_scores_indices(
    name, served, planted, asked, exported, tmp_path_factory
):
    records, (users, candidates, history, label) = asked
    user_vocabulary, item_vocabulary = (
        planted.output.vocabulary_by_name(which)
        for which in (f.USER_VOCABULARY, f.ITEM_VOCABULARY)
    )

    def indices(ids, vocabulary):
        return [vocabulary.index(i) + 2 if i in vocabulary else 1 for i in ids]

    def in_memory(items):
        asked_of = features(
            indices(users, user_vocabulary),
            [items] * 3,
            [indices(history, item_vocabulary)] * 3,
            [label] * 3,
            planted.data.user_fields,
        )
        return served(name).model(asked_of).numpy()

    items = indices(candidates, item_vocabulary)
    # Vocabularies are ordered by frequency: the ten rarest are the last.
    rare = list(range(2, len(item_vocabulary) + 2))[-10:]
    bound = in_memory(rare).mean(1, keepdims=True)
    expected = in_memory(items)
    expected = np.where(np.equal(items, 1), np.minimum(expected, bound), expected)
    np.testing.assert_allclose(
        served(name).score(tf.constant(records))["score"], expected, **ROUNDING
    )
    folder = str(tmp_path_factory.mktemp(name))
    # Without the other signatures, which test_signatures.py has: half of the time.
    score = served(name).score.get_concrete_function(tf.TensorSpec([None], tf.string))
    tf.saved_model.save(served(name).objects(), folder, signatures=score)
    saved_model_scan.scan(Path(folder))  # nothing that a model needs is refused
    exported[name] = folder, expected


# -I: neither this project nor the working folder is on the path.
SCORE_ELSEWHERE = """
    import base64, json, sys
    import tensorflow as tf

    told = json.load(sys.stdin)
    records = tf.constant([base64.b64decode(r) for r in told["records"]])
    scores = {
        name: tf.saved_model.load(folder).signatures["serving_default"](records)
        for name, folder in told["folders"].items()
    }
    print(json.dumps({k: v["score"].numpy().tolist() for k, v in scores.items()}))
"""


@pytest.mark.integration
def test_saved_models_score_in_a_fresh_process_as_here(exported, asked):
    # One process for all of them; what was exported before this test.
    told = {
        "records": [base64.b64encode(record).decode() for record in asked[0]],
        "folders": {name: folder for name, (folder, _) in exported.items()},
    }
    done = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(SCORE_ELSEWHERE)],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    elsewhere = json.loads(done.stdout.splitlines()[-1])
    for name, (_, here) in exported.items():
        np.testing.assert_allclose(elsewhere[name], here, **ROUNDING, err_msg=name)


def test_its_file_is_short_and_cites_its_paper(name):
    source = (SOURCES / f"{name}.py").read_text()
    assert len(source.splitlines()) <= 80
    header = source.split('"""')[1]
    assert re.search(r"https://", header)
    assert re.search(r"equation|section", header)
