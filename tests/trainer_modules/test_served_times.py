"""Times of histories through the signatures of a model that reads them."""

import numpy as np
import pytest
import tensorflow as tf

from components import saved_model_scan
from tests.support.models import build
from trainer_modules import features as f

pytestmark = pytest.mark.integration
LAST = 14  # items in the history of each record


@pytest.fixture(scope="module")
def serving(planted, serve):
    """A model with weights so large that times matter."""
    model = build("hstu", planted.data.sizes, embedding_dim=8, max_history_length=6)
    served = serve(model, "order")
    served.evaluate(tf.constant(planted.records[:1]))  # makes the weights
    random = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, 0.5, weight.shape))
    return served


def columns(records):
    features = [tf.train.Example.FromString(record).features for record in records]

    def lists(name):
        kind = features[0].feature[name].WhichOneof("kind")
        return [list(getattr(each.feature[name], kind).value) for each in features]

    return {
        name: lists(name)
        for name in (
            *(f.USER_ID, f.ITEM_ID, f.HISTORY_ITEM_ID),
            *(f.HISTORY_RATING, f.HISTORY_TIMESTAMP),
        )
    }


def scores(serving, records, times=None):
    """User by user, the score of each item in the list of ``recommend``."""
    given = columns(records)
    more = {} if times is None else {f.HISTORY_TIMESTAMP: tf.constant(times, tf.int64)}
    listed = serving.recommend(
        tf.constant(given[f.USER_ID])[:, 0],
        tf.constant(given[f.HISTORY_ITEM_ID]),
        tf.constant(given[f.HISTORY_RATING]),
        tf.constant([[]] * len(records), tf.string),
        tf.constant(99),
        **more,
    )
    return [
        dict(zip(items, score, strict=True))
        for items, score in zip(
            listed["item_id"].numpy().tolist(), listed["score"].numpy(), strict=True
        )
    ]


@pytest.fixture(scope="module")
def records(planted):
    return planted.records[:5]


@pytest.fixture(scope="module")
def times(records):
    """Times of the histories, [5, 14]."""
    return np.array(columns(records)[f.HISTORY_TIMESTAMP])


def test_a_list_has_the_scores_of_the_evaluator_with_times_only(
    serving, records, times
):
    evaluated = serving.evaluate(tf.constant(records))["score"].numpy()
    with_times, without = scores(serving, records, times), scores(serving, records)
    for row, targets in enumerate(columns(records)[f.ITEM_ID]):
        found = [with_times[row][item] for item in targets]
        np.testing.assert_allclose(found, evaluated[row], rtol=1e-4, atol=1e-5)
        others = [without[row][item] for item in targets]
        assert np.abs(np.subtract(others, found)).max() > 1e-3


@pytest.mark.parametrize("num_known", [0, 1, LAST - 2, LAST])
def test_items_without_times_are_as_new_as_the_newest(
    serving, records, times, num_known
):
    found = scores(serving, records, times[:, :num_known])
    filled = times.copy()
    filled[:, num_known:] = times[:, num_known - 1 : num_known] if num_known else 1
    zeros = np.where(np.arange(LAST) < num_known, times, 0)
    for other in (filled, zeros):
        for a, b in zip(found, scores(serving, records, other), strict=True):
            assert a == pytest.approx(b, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("time_bias", [True, False])
def test_only_a_model_that_reads_times_has_the_input(
    planted, serve, time_bias, tmp_path
):
    model = build("hstu", planted.data.sizes, embedding_dim=8, time_bias=time_bias)
    serve(model, "order").save(str(tmp_path))
    saved_model_scan.scan(tmp_path)
    recommend = tf.saved_model.load(str(tmp_path)).signatures["recommend"]
    inputs = recommend.structured_input_signature[1]
    assert (f.HISTORY_TIMESTAMP in inputs) == time_bias
    assert len(inputs) == 6 + time_bias
