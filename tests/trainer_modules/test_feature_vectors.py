"""Vectors of users and items, scaled by hand in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from tests.support.examples import serialize
from tests.support.transform import TRANSFORM_CONFIG
from trainer_modules import features as f
from trainer_modules.sizes import read_item_fields, user_vectors

CONFIG = TRANSFORM_CONFIG | {"kinds": {"user_taste": [f.VECTOR, 3]}}
SCHEMA = schema_pb2.Feature(
    name="user_taste",
    type=schema_pb2.FLOAT,
    value_count=schema_pb2.ValueCount(min=3, max=3),
)
TASTES = [[1.0, 20.0, -3.0], [], [5.0, 22.0, -3.0], [0.0, 0.0, 0.0], [3.0, 30.0, -3.0]]
LATER = [
    [5.0, 24.0, -2.0],
    [],
    [0.0, 0.0, 0.0],
]  # of the eval split, which decides no scale


def scaled(vector):
    """One scale for all numbers; a vector of zeros is a missing one."""
    given = np.array([TASTES[0], TASTES[2], TASTES[4]])
    if not any(vector):
        return np.zeros(3)
    centred = given - given.sum(0) / 3
    return (vector - given.sum(0) / 3) / np.sqrt((centred**2).sum() / 9)


def example(user, taste):
    return serialize(
        user_id=[str(user).encode()], item_id=[b"i"], rating=[4.0], user_taste=taste
    )


SPLITS = {
    f.TRAIN_SPLIT: [example(n, taste) for n, taste in enumerate(TASTES)],
    f.EVAL_SPLIT: [example(n, taste) for n, taste in enumerate(LATER)],
}


@pytest.fixture(scope="module")
def transformed(transform):
    return transform(SPLITS, CONFIG, more=[SCHEMA])


@pytest.mark.parametrize(
    ("split", "given"), [(f.TRAIN_SPLIT, TASTES), (f.EVAL_SPLIT, LATER)]
)
def test_a_vector_is_scaled_in_training_and_in_serving(transformed, split, given):
    output, files = transformed
    serialized = list(tf.data.TFRecordDataset(files[split], "GZIP"))
    trained = tf.io.parse_example(serialized, output.transformed_feature_spec())
    raw = tf.io.parse_example(SPLITS[split], output.raw_feature_spec())
    served = output.transform_features_layer()(raw)
    expected = [scaled(taste) for taste in given]
    for found in (trained, served):
        np.testing.assert_allclose(
            found["user_taste_vector"], expected, rtol=1e-5, atol=1e-6
        )


def test_the_squares_of_the_numbers_in_training_are_1_on_average(transformed):
    output, files = transformed
    serialized = list(tf.data.TFRecordDataset(files[f.TRAIN_SPLIT], "GZIP"))
    found = tf.io.parse_example(serialized, output.transformed_feature_spec())
    vectors = found["user_taste_vector"].numpy()[[0, 2, 4]]
    assert (vectors**2).mean() == pytest.approx(1, rel=1e-5)


def test_the_graph_states_the_length(transformed):
    spec = transformed[0].transformed_feature_spec()
    assert user_vectors(spec) == {"user_taste_vector": 3}


@pytest.mark.parametrize(
    "odd",
    [
        [1.0, 2.0],
        [1.0, 2.0, 3.0, 4.0],
        [1.0, float("nan"), 2.0],
        [float("inf"), 1.0, 1.0],
    ],
)
def test_a_request_with_an_unusable_vector_counts_as_one_without(transformed, odd):
    output, _ = transformed
    raw = tf.io.parse_example([example(1, odd)], output.raw_feature_spec())
    served = output.transform_features_layer()(raw)["user_taste_vector"]
    assert served.numpy().tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("tastes", [[[], []], [[2.0, 2.0, 2.0]] * 2])
def test_vectors_that_do_not_differ_are_zeros(transform, tastes):
    splits = {f.TRAIN_SPLIT: [example(n, taste) for n, taste in enumerate(tastes)]}
    output, files = transform(splits, CONFIG, more=[SCHEMA])
    serialized = list(tf.data.TFRecordDataset(files[f.TRAIN_SPLIT], "GZIP"))
    found = tf.io.parse_example(serialized, output.transformed_feature_spec())
    assert not found["user_taste_vector"].numpy().any()


def test_vectors_of_items_are_scaled_by_those_in_the_vocabulary(catalogue):
    folder = catalogue(
        ["0", "1", "2", "3", "4", "never rated"],
        kinds={"item_cover": f.Kind(f.VECTOR, 3)},
        item_colour=[["red"], [], ["red"], [], [], []],
        item_cover=[*TASTES, [1e9, 1e9, 1e9]],
    )
    tables, values = read_item_fields(folder, [b"4", b"0", b"1", b"2", b"3"])
    assert values == [b"item_colour=red"]
    assert list(tables) == ["item_colour", "item_cover"]
    expected = [[0, 0, 0]] * 2 + [scaled(TASTES[n]) for n in (4, 0, 1, 2, 3)]
    assert tables["item_cover"].dtype == np.float32
    np.testing.assert_allclose(tables["item_cover"], expected, rtol=1e-5, atol=1e-6)


def test_a_feature_without_any_vector_is_left_out(catalogue):
    folder = catalogue(
        ["a", "b"],
        kinds={"item_cover": f.Kind(f.VECTOR, 3)},
        item_cover=[[], [0.0, 0.0, 0.0]],
    )
    assert read_item_fields(folder, [b"a", b"b"]) == ({}, [])


def test_large_numbers_are_squared_without_overflow(catalogue):
    folder = catalogue(
        ["a", "b"],
        kinds={"item_cover": f.Kind(f.VECTOR, 2)},
        item_cover=[[3e30, 1e30], [1e30, -1e30]],
    )
    tables, _ = read_item_fields(folder, [b"a", b"b"])
    np.testing.assert_allclose(tables["item_cover"][2:], [[1, 1], [-1, -1]], rtol=1e-5)
