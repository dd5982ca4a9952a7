"""Models learn from numbers: people with a high income like expensive items."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from tests.support.catalogue import write_catalogue
from tests.support.examples import serialize_splits
from tests.support.models import serve, train
from tests.support.transform import TRANSFORM_CONFIG
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.sizes import Sizes, read_item_fields, user_fields

pytestmark = pytest.mark.integration

NUM_USERS, NUM_ITEMS = 60, 20
PRICES = {f"i{n:02}": 10.0 + n for n in range(NUM_ITEMS)}
EXPENSIVE = {item for item, price in PRICES.items() if price >= 20}
LOW, HIGH = 500.0, 9000.0  # of no user in the log


def log():
    """Ratings of users, whose incomes are 0 to 4900 or 5000 to 9900."""
    random = np.random.default_rng(3)
    splits = {f.TRAIN_SPLIT: [], f.EVAL_SPLIT: []}
    for user in range(NUM_USERS):
        income = float(user % 2 * 5000 + user * 80)
        items = random.permutation(list(PRICES))[:12]
        stars = [5.0 if (i in EXPENSIVE) == (income >= 5000) else 1.0 for i in items]
        times = range(1_600_000_000, 1_600_000_012)
        known = {"user_id": [f"u{user}".encode()], "user_income": [income]}
        train_example, eval_example = serialize_splits(items, stars, times, 10, **known)
        splits[f.TRAIN_SPLIT].append(train_example)
        splits[f.EVAL_SPLIT].append(eval_example)
    return splits


@pytest.fixture(scope="module")
def numbers(transform, tmp_path_factory):
    """The transform output and the data of the log."""
    kinds = {"user_income": f.Kind(f.NUMERIC, 6)}
    income = schema_pb2.Feature(name="user_income", type=schema_pb2.FLOAT)
    output, files = transform(log(), TRANSFORM_CONFIG | {"kinds": kinds}, more=[income])
    catalogue = write_catalogue(
        tmp_path_factory.mktemp("catalogue"),
        list(PRICES),
        {"item_price": f.Kind(f.NUMERIC, 4)},
        item_price=[[price] for price in PRICES.values()],
    )
    user_values = output.vocabulary_by_name(f.USER_FEATURE_VOCABULARY)
    item_ids = output.vocabulary_by_name(f.ITEM_VOCABULARY)
    item_fields, item_values = read_item_fields(catalogue, item_ids)
    sizes = Sizes(
        num_users=NUM_USERS + f.NUM_RESERVED,
        num_items=len(item_ids) + f.NUM_RESERVED,
        user_fields=user_fields(user_values),
        num_user_values=len(user_values) + f.NUM_RESERVED,
        item_fields=item_fields,
        num_item_values=len(item_values) + f.NUM_RESERVED,
    )
    return output, Data(
        [files[f.TRAIN_SPLIT]],
        [files[f.EVAL_SPLIT]],
        output.transformed_feature_spec(),
        sizes,
        num_unknown_items=0,
    )


@pytest.mark.parametrize("name", ["fm", "deepfm", "warp_mf"])
def test_an_unknown_persons_income_decides_the_list(numbers, tmp_path, name):
    output, data = numbers
    model = train(name, data, tmp_path, learning_rate=0.01, patience=3)
    serving = serve(model, output, data)
    found = serving.recommend(
        tf.constant(["new"] * 2),
        tf.fill([2, 1], ""),
        tf.zeros([2, 0]),
        tf.constant([[f"user_income={income}"] for income in (LOW, HIGH)]),
        tf.constant(NUM_ITEMS),
    )["item_id"].numpy()
    half = len(EXPENSIVE)
    poor, rich = ({item.decode() for item in row[:half]} for row in found)
    assert len(poor & EXPENSIVE) <= 2
    assert len(rich & EXPENSIVE) >= half - 2
