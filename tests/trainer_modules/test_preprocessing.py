"""The transform graph against ten rows in plain Python."""

from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.support.examples import serialize
from trainer_modules import features as f

MIN_ITEM_RATINGS = 2
CONFIG = {
    "label_threshold": "> 3",
    "label_negative": "< 3",
    "min_item_ratings": MIN_ITEM_RATINGS,
    "leave_out": ["user_occupation", "item_year"],
    "kinds": {},
}
# user, (item, stars), side features; odd ids on purpose.
TRAIN = [
    (
        "1",
        [("a", 5.0), ("b", 3.0), ("c", 1.0)],
        {"user_gender": ["F"], "user_occupation": ["cook"]},
    ),
    ("2", [("a", 3.5), ("b", 4.0)], {"user_gender": ["M"], "user_zip": ["F"]}),
    ("3", [("a", 0.5), ("Ünïcode 電影", 5.0)], {"user_gender": ["M"]}),
    ("4", [("Ünïcode 電影", 3.0), ("once", 5.0)], {}),
    (
        "five",
        [("b", 2.0), ("a", 4.0), (" with space ", 4.0)],
        {"user_age": ["1", "18"]},
    ),
    ("6", [(" with space ", 3.0)], {"user_gender": ["X"]}),
    ("7", [("-1", 4.0), ("c", 4.5)], {"user_gender": ["M"]}),
    ("8", [("-1", 1.0)], {}),
]
EVAL = [
    # user, targets, history, side features
    ("1", [("never", 5.0), ("b", 3.5)], [("a", 5.0), ("once", 3.0)], {}),
    ("new", [("c", 3.0)], [], {"user_gender": ["F", "unheard"], "user_zip": ["M"]}),
]


OLDEST, NEWEST = 978_300_000, 978_400_000  # seconds UTC


def times(rated, first):
    return [first + n for n in range(len(rated))]


@pytest.fixture(scope="module")
def records():
    def example(user, targets, history, side):
        lists = {f.ITEM_ID: targets, f.HISTORY_ITEM_ID: history}
        return serialize(
            user_id=[user.encode()],
            rating=[stars for _, stars in targets],
            history_rating=[stars for _, stars in history],
            timestamp=times(targets, NEWEST),
            history_timestamp=times(history, OLDEST),
            **{k: [item.encode() for item, _ in pairs] for k, pairs in lists.items()},
            **{k: [v.encode() for v in values] for k, values in side.items()},
        )

    return {
        f.TRAIN_SPLIT: [example(u, rated, [], side) for u, rated, side in TRAIN],
        f.EVAL_SPLIT: [example(*row) for row in EVAL],
    }


@pytest.fixture(scope="module")
def transformed(transform, records):
    return transform(records, CONFIG)


def by_falling_frequency(values, min_count=1):
    counts = Counter(values)
    kept = [value for value, count in counts.items() if count >= min_count]
    # TFT puts the greater bytes first among equal frequencies.
    return sorted(kept, key=lambda v: (counts[v], v.encode()), reverse=True)


USERS = by_falling_frequency(user for user, _, _ in TRAIN)
ITEMS = by_falling_frequency(
    [item for _, rated, _ in TRAIN for item, _ in rated], MIN_ITEM_RATINGS
)
SIDE = by_falling_frequency(
    f"{name}={value}"
    for _, _, side in TRAIN
    for name, values in side.items()
    for value in values
    if name != "user_occupation"
)


def index(value, vocabulary):
    return vocabulary.index(value) + 2 if value in vocabulary else 1


def label(stars):
    return 1 if stars > 3 else 0 if stars < 3 else -1


def expected(user, targets, history, side):
    side_names = ("user_age", "user_gender", "user_zip")
    return {
        "user_index": [index(user, USERS)],
        "item_index": [index(item, ITEMS) for item, _ in targets],
        "label": [label(stars) for _, stars in targets],
        "rating": [stars for _, stars in targets],
        "history_item_index": [index(item, ITEMS) for item, _ in history],
        "history_label": [label(stars) for _, stars in history],
        "timestamp": times(targets, NEWEST),
        "history_timestamp": times(history, OLDEST),
    } | {
        f"{name}_index": [index(f"{name}={v}", SIDE) for v in side.get(name, [])]
        for name in side_names
    }


def as_lists(features):
    rows = {
        name: value.to_list() if isinstance(value, tf.RaggedTensor) else value.numpy()
        for name, value in features.items()
    }
    return [
        {name: list(values[row]) for name, values in rows.items()}
        for row in range(len(rows["user_index"]))
    ]


EXPECTED = {
    f.TRAIN_SPLIT: [expected(u, rated, [], side) for u, rated, side in TRAIN],
    f.EVAL_SPLIT: [expected(*row) for row in EVAL],
}


def test_vocabularies_are_of_train_by_falling_frequency(transformed):
    output, _ = transformed
    for name, wanted in (
        (f.USER_VOCABULARY, USERS),
        (f.ITEM_VOCABULARY, ITEMS),
        (f.USER_FEATURE_VOCABULARY, SIDE),
    ):
        found = [value.decode() for value in output.vocabulary_by_name(name)]
        assert found == wanted
        assert output.vocabulary_size_by_name(name) == len(wanted)
    assert "once" not in ITEMS
    assert ITEMS[0] == "a"


@pytest.mark.parametrize("split", EXPECTED)
def test_training_examples_are_those_of_plain_python(transformed, split):
    output, files = transformed
    serialized = list(tf.data.TFRecordDataset(files[split], "GZIP"))
    features = tf.io.parse_example(serialized, output.transformed_feature_spec())
    assert as_lists(features) == EXPECTED[split]


@pytest.mark.parametrize("split", EXPECTED)
def test_the_graph_that_is_served_makes_the_training_examples(
    transformed, records, split
):
    output, _ = transformed
    raw = tf.io.parse_example(records[split], output.raw_feature_spec())
    assert as_lists(output.transform_features_layer()(raw)) == EXPECTED[split]


def test_without_times_in_the_schema_there_are_none(transform, records):
    without = (f.TIMESTAMP, f.HISTORY_TIMESTAMP)
    output, files = transform(records, CONFIG, without=without)
    for split, rows in EXPECTED.items():
        serialized = list(tf.data.TFRecordDataset(files[split], "GZIP"))
        found = tf.io.parse_example(serialized, output.transformed_feature_spec())
        assert as_lists(found) == [
            {**row, **dict.fromkeys(without, [])} for row in rows
        ]


def test_each_vocabulary_is_looked_up_in_one_table(transformed):
    output, _ = transformed
    content = Path(output.transform_savedmodel_dir, "saved_model.pb").read_bytes()
    [graph] = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    functions = graph.graph_def.library.function
    ops = [node.op for function in functions for node in function.node_def]
    assert ops.count("LookupTableFindV2") == len((USERS, ITEMS, SIDE))
