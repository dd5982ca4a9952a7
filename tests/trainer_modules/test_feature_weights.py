"""Categories with weights, separated by hand."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from tests.support.examples import serialize
from tests.support.transform import TRANSFORM_CONFIG
from trainer_modules import features as f
from trainer_modules.feature_weights import split_weights
from trainer_modules.sizes import Weighted, read_item_fields, user_weights

MOODS = [["calm:0.5", "loud:2"], [], ["loud:1e-3"]]


@pytest.mark.parametrize(
    ("text", "category", "weight"),
    [
        ("Drama:0.2", "Drama", 0.2),
        ("Sci:Fi:+3", "Sci:Fi", 3),
        ("two\nlines:.5", "two\nlines", 0.5),
        ("a:1e+30", "a", 1e30),
        ("a:0", "a", 0),
        # Only a request may have these.
        ("Drama", "Drama", 1),
        ("Drama:", "Drama:", 1),
        ("Drama:-1", "Drama:-1", 1),
        ("Drama:nan", "Drama:nan", 1),
        ("", "", 1),
    ],
)
def test_a_category_and_its_weight(text, category, weight):
    categories, weights = split_weights(tf.ragged.constant([[text]]))
    assert categories.to_list() == [[category.encode()]]
    assert weights.to_list() == [[np.float32(weight)]]


def test_training_and_serving_have_indices_and_weights(transform):
    records = [
        serialize(
            user_id=[str(n).encode()],
            item_id=[b"i"],
            rating=[4.0],
            user_moods=[mood.encode() for mood in moods],
        )
        for n, moods in enumerate(MOODS)
    ]
    feature = schema_pb2.Feature(name="user_moods", type=schema_pb2.BYTES)
    config = TRANSFORM_CONFIG | {"kinds": {"user_moods": [f.WEIGHTED, 0]}}
    output, files = transform({f.TRAIN_SPLIT: records}, config, more=[feature])
    vocabulary = output.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    assert vocabulary == [b"user_moods=loud", b"user_moods=calm"]
    spec = output.transformed_feature_spec()
    assert user_weights(spec) == {"user_moods_index": "user_moods_weight"}
    serialized = list(tf.data.TFRecordDataset(files[f.TRAIN_SPLIT], "GZIP"))
    trained = tf.io.parse_example(serialized, spec)
    raw = tf.io.parse_example(records, output.raw_feature_spec())
    for found in (trained, output.transform_features_layer()(raw)):
        assert found["user_moods_index"].to_list() == [[3, 2], [], [2]]
        weights = found["user_moods_weight"].to_list()
        assert weights == [[0.5, 2], [], [np.float32(1e-3)]]


def test_items_have_tables_of_indices_and_weights(catalogue):
    folder = catalogue(
        ["a", "b", "c"],
        kinds={"item_moods": f.Kind(f.WEIGHTED, 0), "item_none": f.Kind(f.WEIGHTED, 0)},
        item_moods=MOODS,
        item_none=[[], [], []],
    )
    tables, values = read_item_fields(folder, [b"c", b"a", b"b"])
    assert values == [b"item_moods=calm", b"item_moods=loud"]
    [(name, table)] = tables.items()
    assert name == "item_moods"
    assert isinstance(table, Weighted)
    calm, loud = 2, 3
    assert table.values.tolist() == [[0, 0]] * 2 + [[loud, 0], [calm, loud], [0, 0]]
    np.testing.assert_allclose(table.weights[2:], [[1e-3, 0], [0.5, 2], [0, 0]])
