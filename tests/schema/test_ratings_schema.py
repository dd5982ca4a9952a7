"""Does the curated schema let MovieLens through, and nothing else?"""

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_data_validation.statistics.stats_impl import (
    generate_statistics_in_memory,
)
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from components.anomaly_gate.anomalies import anomalies_of
from components.anomaly_gate.schema import CURATED_SCHEMA, read_schema
from trainer_modules import features

DAY = 86_400
TIME = 978_300_760  # of the first rating in MovieLens 1M's ratings.dat

TRAIN = {
    "user_id": ["1"],
    "item_id": ["1193", "661"],
    "rating": [5.0, 0.5],
    "timestamp": [TIME, TIME + DAY],
}
NEW_USER = {
    "user_id": ["2"],
    "item_id": ["914"],
    "rating": [3.0],
    "timestamp": [TIME],
    "history_item_id": [],
    "history_rating": [],
    "history_timestamp": [],
}
EVAL = {
    **TRAIN,
    "history_item_id": ["914"],
    "history_rating": [3.5],
    "history_timestamp": [TIME - DAY],
}
SIDE_FEATURES = {
    "user_gender": ["F"],
    "user_age": ["1"],
    "user_occupation": ["10", "11"],
    "user_zip": ["48067"],
}


def without(record, name):
    return {key: values for key, values in record.items() if key != name}


def serialized(record):
    def feature(values):
        if not values:
            return tf.train.Feature()
        if isinstance(values[0], str):
            encoded = [value.encode() for value in values]
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))
        if isinstance(values[0], float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    named = {name: feature(values) for name, values in record.items()}
    return tf.train.Example(
        features=tf.train.Features(feature=named)
    ).SerializeToString()


def found_in(*records, more=()):
    """What TFDV finds in the records: feature → kinds of anomaly.

    The schema is the curated one, with more features if a test needs them.
    """
    batch = ExamplesToRecordBatchDecoder().DecodeBatch(
        [serialized(record) for record in records]
    )
    statistics = generate_statistics_in_memory(batch, tfdv.StatsOptions())
    schema = read_schema(CURATED_SCHEMA)
    schema.feature.extend(more)
    found = tfdv.validate_statistics(statistics, schema)
    kinds = {}
    for anomaly in anomalies_of("train", found):
        kinds.setdefault(anomaly.feature, set()).add(anomaly.kind)
    return kinds


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([TRAIN, without(NEW_USER, "history_item_id")], id="train"),
        pytest.param([EVAL, NEW_USER], id="eval with a new user"),
        pytest.param([NEW_USER], id="eval of new users only"),
        pytest.param([{**TRAIN, **SIDE_FEATURES}, TRAIN], id="some side features"),
        pytest.param([without(TRAIN, "timestamp")], id="a log without times"),
        pytest.param([{**TRAIN, "rating": [1.0, 1.0]}], id="a log without ratings"),
        pytest.param([{**TRAIN, "user_id": ["Zoë-5f3e"]}], id="any Unicode"),
    ],
)
def test_clean_records_have_no_anomalies(records):
    assert found_in(*records) == {}


@pytest.mark.parametrize(
    ("record", "feature", "kind"),
    [
        ({**TRAIN, "rating": [9.0, 1.0]}, "rating", "FLOAT_TYPE_BIG_FLOAT"),
        ({**TRAIN, "rating": [0.0, 1.0]}, "rating", "FLOAT_TYPE_SMALL_FLOAT"),
        ({**TRAIN, "rating": [float("nan"), 1.0]}, "rating", "FLOAT_TYPE_HAS_NAN"),
        ({**TRAIN, "rating": [float("inf"), 1.0]}, "rating", "FLOAT_TYPE_HAS_INF"),
        ({**EVAL, "history_rating": [9.0]}, "history_rating", "FLOAT_TYPE_BIG_FLOAT"),
        ({**TRAIN, "user_shoe": ["43"]}, "user_shoe", "SCHEMA_NEW_COLUMN"),
        ({**TRAIN, "movie_id": ["1"]}, "movie_id", "SCHEMA_NEW_COLUMN"),
        (
            without(TRAIN, "user_id"),
            "user_id",
            "FEATURE_TYPE_LOW_FRACTION_PRESENT",
        ),
        ({**TRAIN, "user_id": ["1", "2"]}, "user_id", "INVALID_FEATURE_SHAPE"),
        ({**TRAIN, "item_id": []}, "item_id", "FEATURE_TYPE_LOW_FRACTION_PRESENT"),
        (
            without(TRAIN, "rating"),
            "rating",
            "FEATURE_TYPE_LOW_FRACTION_PRESENT",
        ),
        ({**TRAIN, "timestamp": [TIME * 1000]}, "timestamp", "INT_TYPE_BIG_INT"),
        ({**TRAIN, "timestamp": [TIME // DAY]}, "timestamp", "INT_TYPE_SMALL_INT"),
    ],
)
def test_one_bad_record_is_named(record, feature, kind):
    kinds = found_in(TRAIN, record)
    assert set(kinds) == {feature}
    assert kind in kinds[feature]


@pytest.mark.parametrize(
    ("name", "values"), [("rating", [4, 5]), ("item_id", [1193, 661])]
)
def test_wrong_type_is_named(name, values):
    assert found_in({**TRAIN, name: values}) == {name: {"UNEXPECTED_DATA_TYPE"}}


def test_lists_reach_transform_as_ragged_tensors():
    """The way of TFX's Transform: schema → TFXIO → tensors for preprocessing_fn."""
    schema = read_schema(CURATED_SCHEMA)
    source = TFExampleBeamRecord(physical_format="memory", schema=schema)
    batch = ExamplesToRecordBatchDecoder(schema.SerializeToString()).DecodeBatch(
        [serialized(EVAL), serialized(NEW_USER), serialized(TRAIN)]
    )
    tensors = TensorAdapter(source.TensorAdapterConfig()).ToBatchTensors(batch)
    assert tensors[features.USER_ID].numpy().tolist() == [[b"1"], [b"2"], [b"1"]]
    ragged = {
        name: tensor.to_list()
        for name, tensor in tensors.items()
        if isinstance(tensor, tf.RaggedTensor)
    }
    assert set(tensors) - set(ragged) == {"user_id"}
    assert ragged[features.ITEM_ID] == [[b"1193", b"661"], [b"914"], [b"1193", b"661"]]
    assert ragged[features.RATING] == [[5.0, 0.5], [3.0], [5.0, 0.5]]
    assert ragged[features.HISTORY_ITEM_ID] == [[b"914"], [], []]
    assert ragged[features.HISTORY_TIMESTAMP] == [[TIME - DAY], [], []]
    assert ragged["user_gender"] == [[], [], []]


def test_every_kind_of_feature_is_accepted():
    kinds = """
        feature { name: "user_income" type: FLOAT annotation { tag: "buckets:20" } }
        feature { name: "user_joined" type: FLOAT annotation { tag: "time" } }
        feature { name: "user_bio" type: BYTES natural_language_domain {} }
        feature { name: "user_seller" type: BYTES annotation { tag: "buckets:99" } }
        feature { name: "item_price" type: FLOAT }
    """
    more = text_format.Parse(kinds, schema_pb2.Schema()).feature
    values = {"user_income": [1.5], "user_joined": [18576.5], "user_bio": ["a b"]}
    known = {**TRAIN, **values, "user_seller": ["x"]}
    assert found_in(known, TRAIN, more=more) == {}
    wrong = {**TRAIN, "user_income": ["1.5"]}
    assert found_in(wrong, more=more) == {"user_income": {"UNEXPECTED_DATA_TYPE"}}
