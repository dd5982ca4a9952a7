"""Models learn from vectors and weights: they decide what a person likes."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from tests.support.catalogue import write_catalogue
from tests.support.examples import serialize, serialize_splits
from tests.support.models import serve, train
from tests.support.transform import TRANSFORM_CONFIG
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.sizes import (
    Sizes,
    read_item_fields,
    user_fields,
    user_vectors,
    user_weights,
)

pytestmark = pytest.mark.integration

NUM_USERS, NUM_NEW, NUM_ITEMS, LENGTH = 80, 30, 24, 4
_RANDOM = np.random.default_rng(5)
TASTES = _RANDOM.normal(size=[NUM_USERS + NUM_NEW, LENGTH])
# The same directions in numbers of another length and scale.
_TURNED = _RANDOM.normal(size=[LENGTH, LENGTH + 2])
DIRECTIONS = _RANDOM.normal(size=[NUM_ITEMS, LENGTH])
COVERS = 50 + 7 * DIRECTIONS @ _TURNED
LIKED = TASTES @ DIRECTIONS.T > 0  # [user, item]: what is in the direction of the taste
# Everybody is calm and loud: it is the shares of both that decide between two halves.
CALM = np.random.default_rng(6).permutation(np.arange(0.5, 110) / 110)
LIKED_BY_MOOD = (CALM[:, np.newaxis] > 0.5) == (np.arange(NUM_ITEMS) % 2)
ITEMS = [f"i{n:02}" for n in range(NUM_ITEMS)]


def moods(calm):
    return [f"calm:{calm:.4f}", f"loud:{1 - calm:.4f}"]


def log(liked, feature):
    """Each user's ratings of 16 items; the last four are those of the eval split."""
    splits = {f.TRAIN_SPLIT: [], f.EVAL_SPLIT: []}
    times = range(1_600_000_000, 1_600_000_016)
    for user in range(NUM_USERS):
        chosen = np.random.default_rng(user).permutation(NUM_ITEMS)[:16]
        items = [ITEMS[n] for n in chosen]
        stars = [5.0 if liked[user, n] else 1.0 for n in chosen]
        known = {"user_id": [f"u{user}".encode()], **feature(user)}
        train_example, eval_example = serialize_splits(items, stars, times, 12, **known)
        splits[f.TRAIN_SPLIT].append(train_example)
        splits[f.EVAL_SPLIT].append(eval_example)
    return splits


@pytest.fixture(scope="module")
def vectors(transform, tmp_path_factory):
    """The transform output and the data of the log."""
    taste = schema_pb2.Feature(
        name="user_taste",
        type=schema_pb2.FLOAT,
        value_count=schema_pb2.ValueCount(min=LENGTH, max=LENGTH),
    )
    config = TRANSFORM_CONFIG | {"kinds": {"user_taste": [f.VECTOR, LENGTH]}}
    by_taste = log(LIKED, lambda user: {"user_taste": list(TASTES[user])})
    output, files = transform(by_taste, config, more=[taste])
    catalogue = write_catalogue(
        tmp_path_factory.mktemp("catalogue"),
        ITEMS,
        {"item_cover": f.Kind(f.VECTOR, LENGTH + 2)},
        item_cover=COVERS.tolist(),
    )
    item_ids = output.vocabulary_by_name(f.ITEM_VOCABULARY)
    item_fields, item_values = read_item_fields(catalogue, item_ids)
    assert item_values == []
    lengths = user_vectors(output.transformed_feature_spec())
    return output, data_of(
        output,
        files,
        user_fields=tuple(lengths),
        user_vectors=lengths,
        item_fields=item_fields,
    )


@pytest.fixture(scope="module")
def weights(transform):
    """The transform output and the data of the log, with weights or without."""

    def made(kind, moods_of):
        feature = schema_pb2.Feature(name="user_moods", type=schema_pb2.BYTES)
        config = TRANSFORM_CONFIG | {"kinds": {"user_moods": kind} if kind else {}}
        by_mood = log(
            LIKED_BY_MOOD,
            lambda user: {"user_moods": [m.encode() for m in moods_of(CALM[user])]},
        )
        output, files = transform(by_mood, config, more=[feature])
        values = output.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
        return output, data_of(
            output,
            files,
            user_fields=user_fields(values),
            num_user_values=len(values) + f.NUM_RESERVED,
            user_weights=user_weights(output.transformed_feature_spec()),
        )

    return made


def data_of(output, files, **fields):
    sizes = Sizes(NUM_USERS + f.NUM_RESERVED, NUM_ITEMS + f.NUM_RESERVED, **fields)
    return Data(
        [files[f.TRAIN_SPLIT]],
        [files[f.EVAL_SPLIT]],
        output.transformed_feature_spec(),
        sizes,
        num_unknown_items=0,
    )


def auc_of_new_people(output, data, model, liked_by, given):
    """Share of the pairs of a liked and another item that a list has in this order."""
    serving = serve(model, output, data)
    listed = serving.recommend(
        tf.constant(["new"] * NUM_NEW),
        tf.fill([NUM_NEW, 1], ""),
        tf.zeros([NUM_NEW, 0]),
        tf.constant(given),
        tf.constant(NUM_ITEMS),
    )["item_id"].numpy()
    shares = []
    for user, row in enumerate(listed, start=NUM_USERS):
        liked = np.array([liked_by[user, ITEMS.index(item.decode())] for item in row])
        before = np.cumsum(liked)[~liked]  # liked items before each of the others
        shares.append(before.mean() / liked.sum())
    return np.mean(shares)


@pytest.mark.parametrize("name", ["fm", "warp_mf"])
def test_unknown_peoples_vectors_decide_their_lists(vectors, tmp_path, name):
    output, data = vectors
    settings = {"learning_rate": 0.01, "patience": 3}
    if name == "fm":  # likes from dislikes alone, which vectors decide here
        settings["num_negatives"] = 0
    model = train(name, data, tmp_path / "with", **settings)
    ids = dataclasses.replace(
        data.sizes, user_fields=(), user_vectors={}, item_fields={}
    )
    blind = dataclasses.replace(data, sizes=ids)
    model_without = train(name, blind, tmp_path / "without", **settings)
    given = [[f"user_taste={x:.6f}" for x in taste] for taste in TASTES[NUM_USERS:]]
    with_vectors = auc_of_new_people(output, data, model, LIKED, given)
    without = auc_of_new_people(output, blind, model_without, LIKED, given)
    assert with_vectors > 0.9
    assert without < 0.7


def test_unknown_peoples_weights_decide_their_lists(weights, tmp_path):
    found = {}
    for kind, moods_of in (
        ([f.WEIGHTED, 0], moods),
        (None, lambda calm: ["calm", "loud"]),
    ):
        output, data = weights(kind, moods_of)
        folder = tmp_path / str(bool(kind))
        settings = {"learning_rate": 0.01, "patience": 3, "num_negatives": 0}
        model = train("fm", data, folder, **settings)
        given = [[f"user_moods={m}" for m in moods_of(c)] for c in CALM[NUM_USERS:]]
        found[bool(kind)] = auc_of_new_people(output, data, model, LIKED_BY_MOOD, given)
    assert found[True] > 0.9
    assert found[False] < 0.7


def test_scores_of_examples_are_those_of_the_vectors(vectors, tmp_path):
    """The exported graph, on Examples with a vector, beside the model on numbers."""
    output, data = vectors
    model = train("fm", data, tmp_path, learning_rate=0.01, epochs=2)
    serving = serve(model, output, data)
    tastes = [*TASTES[NUM_USERS : NUM_USERS + 2], np.zeros(LENGTH)]
    candidates = [item.encode() for item in ITEMS]
    examples = [
        serialize(
            user_id=[b"new"], candidate_item_id=candidates, user_taste=list(taste)
        )
        for taste in tastes
    ]
    absent = serialize(user_id=[b"new"], candidate_item_id=candidates)
    tf.saved_model.save(
        serving.objects(),
        str(tmp_path / "saved"),
        serving.score.get_concrete_function(tf.TensorSpec([None], tf.string)),
    )
    saved = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    found = saved(tf.constant([*examples, absent]))["score"].numpy()
    known = TASTES[:NUM_USERS]
    scale = np.sqrt(known.var(0).mean())
    scaled = [
        (taste - known.mean(0)) / scale if taste.any() else taste for taste in tastes
    ]
    vocabulary = output.vocabulary_by_name(f.ITEM_VOCABULARY)
    index = [f.NUM_RESERVED + vocabulary.index(item) for item in candidates]
    expected = model(
        {
            f.USER_INDEX: tf.fill([3], f.UNKNOWN_INDEX),
            f.ITEM_INDEX: tf.constant([index] * 3),
            "user_taste_vector": tf.constant(np.array(scaled), tf.float32),
        }
    ).numpy()
    np.testing.assert_allclose(found[:3], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[3], expected[2], rtol=1e-4, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0.01
