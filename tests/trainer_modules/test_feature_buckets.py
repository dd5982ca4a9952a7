"""Numbers and texts of users and items, against buckets found by hand."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from tests.support.examples import serialize
from tests.support.transform import TRANSFORM_CONFIG
from trainer_modules import features as f
from trainer_modules.feature_buckets import in_buckets, quantiles, words
from trainer_modules.sizes import read_item_fields

CONFIG = TRANSFORM_CONFIG | {"kinds": {"user_income": [f.NUMERIC, 4]}}
# Eight numbers in four buckets, which begin at the third, fifth and seventh of them.
INCOMES = [7.5, -3.0, 1e9, 0.0, 20.0, 21.0, 4.0, 300.25, None]
BEGINS = [4.0, 20.0, 300.25]
LATER = [4.0, 3.999, -1e30, None, 1e30]  # in the eval split, which decides no boundary


def bucket(number):
    return sum(number >= begin for begin in BEGINS)


def example(user, income):
    numeric = {} if income is None else {"user_income": [income]}
    return serialize(
        user_id=[user.encode()],
        item_id=[b"i"],
        rating=[4.0],
        user_gender=[b"F"],
        **numeric,
    )


SPLITS = {
    f.TRAIN_SPLIT: [example(str(n), income) for n, income in enumerate(INCOMES)],
    f.EVAL_SPLIT: [example(str(n), income) for n, income in enumerate(LATER)],
}
EXPECTED = {
    f.TRAIN_SPLIT: [[] if n is None else [bucket(n)] for n in INCOMES],
    f.EVAL_SPLIT: [[] if n is None else [bucket(n)] for n in LATER],
}


@pytest.fixture(scope="module")
def transformed(transform):
    income = schema_pb2.Feature(name="user_income", type=schema_pb2.FLOAT)
    return transform(SPLITS, CONFIG, more=[income])


@pytest.fixture(scope="module")
def bucket_of(transformed):
    """Returns the bucket that an index of the users' vocabulary denotes."""
    output, _ = transformed
    vocabulary = output.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    return lambda index: vocabulary[index - f.NUM_RESERVED].decode()


@pytest.mark.parametrize("split", SPLITS)
def test_a_number_becomes_its_bucket_in_training_and_in_serving(
    transformed, bucket_of, split
):
    output, files = transformed
    serialized = list(tf.data.TFRecordDataset(files[split], "GZIP"))
    trained = tf.io.parse_example(serialized, output.transformed_feature_spec())
    raw = tf.io.parse_example(SPLITS[split], output.raw_feature_spec())
    served = output.transform_features_layer()(raw)
    for found in (trained, served):
        names = [
            [bucket_of(index) for index in row]
            for row in found["user_income_index"].to_list()
        ]
        assert names == [
            [f"user_income=bucket {number}" for number in row]
            for row in EXPECTED[split]
        ]


def test_each_bucket_has_as_many_users(transformed):
    assert Counter(sum(EXPECTED[f.TRAIN_SPLIT], [])) == dict.fromkeys(range(4), 2)
    output, _ = transformed
    vocabulary = output.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    assert sorted(vocabulary) == [
        b"user_gender=F",
        *(b"user_income=bucket %d" % number for number in range(4)),
    ]


def test_a_number_that_is_not_finite_counts_as_missing(transformed):
    output, _ = transformed
    odd = [example("1", number) for number in (float("nan"), float("inf"), 4.0)]
    raw = tf.io.parse_example(odd, output.raw_feature_spec())
    served = output.transform_features_layer()(raw)["user_income_index"].to_list()
    assert [len(row) for row in served] == [0, 0, 1]


def test_a_feature_without_any_number_has_no_buckets(transform):
    income = schema_pb2.Feature(name="user_income", type=schema_pb2.FLOAT)
    splits = {f.TRAIN_SPLIT: [example("1", None)], f.EVAL_SPLIT: [example("1", 3.0)]}
    output, _ = transform(splits, CONFIG, more=[income])
    assert output.vocabulary_by_name(f.USER_FEATURE_VOCABULARY) == [b"user_gender=F"]


def buckets_of(numbers, buckets):
    values = tf.RaggedTensor.from_row_lengths(
        tf.constant(numbers, tf.float32), [len(numbers)]
    )
    return in_buckets(values, f.Kind(f.NUMERIC, buckets), quantiles).to_list()[0]


@pytest.mark.parametrize("seed", range(5))
def test_buckets_of_quantiles_have_equally_many_numbers(seed):
    numbers = np.random.default_rng(seed).normal(size=90).astype(np.float32)
    names = buckets_of(numbers, 9)
    # Without ties, the numbers in order fill one bucket after the other.
    in_order = [names[place] for place in np.argsort(numbers)]
    assert in_order == [b"bucket %d" % (place // 10) for place in range(90)]


def test_frequent_numbers_leave_buckets_empty():
    numbers = [0.0] * 9 + [1.0]
    assert buckets_of(numbers, 5) == [b"bucket 4"] * 10
    assert buckets_of([], 5) == []


def test_items_are_in_buckets_of_those_in_the_vocabulary(catalogue):
    folder = catalogue(
        ["a", "b", "c", "d", "e", "never rated"],
        kinds={"item_price": f.Kind(f.NUMERIC, 2)},
        item_colour=[["red"], [], ["red"], [], [], []],
        item_price=[[9.0], [], [1.5], [100.0], [2.0], [0.0]],
    )
    tables, values = read_item_fields(folder, [b"d", b"a", b"b", b"c", b"e"])
    # Two of the four rated items with a price cost less than 9, the third of them.
    assert values == [
        b"item_colour=red",
        b"item_price=bucket 0",
        b"item_price=bucket 1",
    ]
    low, high = 3, 4
    assert tables["item_price"][:, 0].tolist() == [0, 0, high, high, 0, low, low]


TEXTS = {
    "a": ["Red leather SHOES", "shoes, red!"],
    "b": ["ÄRMEL  ärmel\n5-Loch 電影"],
    "c": [],
    "d": ["...", ""],
}
# Split and lowered by hand.
WORDS = {
    "a": ["red", "leather", "shoes", "shoes", "red"],
    "b": ["ärmel", "ärmel", "5", "loch", "電影"],
    "c": [],
    "d": [],
}


def test_the_words_of_texts():
    texts = tf.ragged.constant(list(TEXTS.values()), tf.string)
    found = [[word.decode() for word in row] for row in words(texts).to_list()]
    assert found == list(WORDS.values())


def test_only_the_first_words_of_a_long_text_are_read():
    texts = tf.ragged.constant([["x " * 60, "y " * 60], ["z"]], tf.string)
    assert words(texts).to_list() == [[b"x"] * 60 + [b"y"] * 4, [b"z"]]


def test_the_hash_is_the_one_of_tensorflows_documentation():
    values = tf.ragged.constant([["Hello", "TensorFlow"], ["2.x"]])
    named = in_buckets(values, f.Kind(f.HASHED, 3), quantiles).to_list()
    assert named == [[b"bucket 0", b"bucket 2"], [b"bucket 2"]]


@pytest.fixture(scope="module")
def texts(transform):
    """The transform of texts and ids, and its records."""
    bio = schema_pb2.Feature(name="user_bio", type=schema_pb2.BYTES)
    city = schema_pb2.Feature(name="user_city", type=schema_pb2.BYTES)
    records = [
        serialize(
            user_id=[user.encode()],
            item_id=[b"i"],
            rating=[4.0],
            user_bio=[text.encode() for text in bio],
            user_city=[user.encode()],
        )
        for user, bio in TEXTS.items()
    ]
    kinds = {"user_bio": [f.TEXT, 1 << 20], "user_city": [f.HASHED, 2]}
    config = TRANSFORM_CONFIG | {"kinds": kinds}
    return records, *transform({f.TRAIN_SPLIT: records}, config, more=[bio, city])


def test_words_have_the_same_bucket_in_training_and_in_serving(texts):
    records, output, files = texts
    serialized = list(tf.data.TFRecordDataset(files[f.TRAIN_SPLIT], "GZIP"))
    trained = tf.io.parse_example(serialized, output.transformed_feature_spec())
    raw = tf.io.parse_example(records, output.raw_feature_spec())
    served = output.transform_features_layer()(raw)
    index_of = {}
    for found in (trained, served):
        for user, row in zip(WORDS, found["user_bio_index"].to_list(), strict=True):
            assert len(row) == len(WORDS[user])
            for word, index in zip(WORDS[user], row, strict=True):
                assert index_of.setdefault(word, index) == index
    # Among a million buckets, no two words share one.
    assert len(set(index_of.values())) == len(index_of)
    assert min(index_of.values()) >= f.NUM_RESERVED


def test_hashed_ids_have_no_more_rows_than_buckets(texts):
    _, output, _ = texts
    vocabulary = output.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    cities = [entry for entry in vocabulary if entry.startswith(b"user_city=")]
    assert set(cities) <= {b"user_city=bucket 0", b"user_city=bucket 1"}


def test_texts_of_items_are_in_the_buckets_of_those_of_users(catalogue, texts):
    _, output, _ = texts
    folder = catalogue(
        list(TEXTS),
        kinds={"item_about": f.Kind(f.TEXT, 1 << 20)},
        item_about=TEXTS.values(),
    )
    tables, values = read_item_fields(folder, [b"a", b"b"])
    assert tables["item_about"].shape == (f.NUM_RESERVED + 2, 5)
    of_users = output.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    buckets = {entry.removeprefix(b"user_bio=") for entry in of_users}
    assert {value.removeprefix(b"item_about=") for value in values} <= buckets
