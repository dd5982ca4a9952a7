"""AttRec: equations 2 to 10 of Zhang et al. 2018, by loops."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build, one_batch
from trainer_modules import features as f
from trainer_modules.sizes import Sizes
from trainer_modules.tasks import losses
from trainer_modules.tasks.task import Trainee

SIZES = Sizes(num_users=5, num_items=12)
DIM, LENGTH, WEIGHT = 4, 3, 0.3
ITEMS = [[2, 5, 11], [3, 4, 7], [2, 3, 9], [6, 1, 8]]
# Longer than L, exactly L, one item and none.
HISTORY = [[9, 2, 3, 4, 8], [5, 6, 1, 0, 0], [7, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
USERS = [2, 4, 1, 3]


def features(history=HISTORY):
    return {
        f.USER_INDEX: tf.constant(USERS),
        f.ITEM_INDEX: tf.constant(ITEMS),
        f.HISTORY_ITEM_INDEX: tf.constant(history, tf.int64),
    }


@pytest.fixture
def started():
    def make(mode, stddev=0.7, **overrides):
        model = build(
            "attrec",
            SIZES,
            embedding_dim=DIM,
            max_history_length=LENGTH,
            mode=mode,
            long_term_weight=WEIGHT,
            **overrides,
        )
        model(features())
        random = np.random.default_rng(0)
        for weight in model.trainable_variables:
            weight.assign(random.normal(0, stddev, weight.shape))
        return model

    return make


def table(layer):
    return layer.embeddings.numpy().astype(np.float64)


def time_signal(place, dim):
    signal = []
    for i in range(dim // 2):
        angle = place / 10000 ** (2 * i / dim)
        signal += [math.sin(angle), math.cos(angle)]  # equations 7 and 8
    return np.array(signal)


def short_term(items, vectors, projection):
    """Equations 2 to 6 of the last items, oldest first."""
    items = items[-LENGTH:]
    if not items:
        return np.zeros(DIM)
    places = range(LENGTH - len(items), LENGTH)
    queries = [
        np.maximum((vectors[item] + time_signal(place, DIM)) @ projection, 0)
        for item, place in zip(items, places, strict=True)
    ]
    attended = []
    for i, query in enumerate(queries):
        # The diagonal is masked, but where it is all there is.
        others = [j for j in range(len(items)) if j != i or len(items) == 1]
        affinity = [math.exp(query @ queries[j] / math.sqrt(DIM)) for j in others]
        attended.append(
            sum(
                a / sum(affinity) * vectors[items[j]]
                for a, j in zip(affinity, others, strict=True)
            )
        )
    return sum(attended) / len(attended)


@pytest.mark.parametrize("mode", ["inner", "dist"])
def test_score_is_the_papers_formula(started, mode):
    model = started(mode)
    user, long_item, short_item = map(
        table, (model.user, model.long_item, model.short_item)
    )
    [projection] = model.attention.projection.get_weights()
    expected = np.zeros([4, 3])
    for row, (index, items, history) in enumerate(
        zip(USERS, ITEMS, HISTORY, strict=True)
    ):
        short = short_term([i for i in history if i], short_item, projection)
        for column, item in enumerate(items):
            if mode == "inner":
                far, near = user[index] @ long_item[item], short @ short_item[item]
            else:
                far = -((user[index] - long_item[item]) ** 2).sum()
                near = -((short - short_item[item]) ** 2).sum()
            expected[row, column] = WEIGHT * far + (1 - WEIGHT) * near  # equation 10
    np.testing.assert_allclose(model(features()), expected, rtol=1e-4, atol=1e-5)


def test_only_the_last_items_and_their_order_count(started):
    model = started("inner")
    score = model(features()).numpy()
    older = [[2, 2, 3, 4, 8], *HISTORY[1:]]
    np.testing.assert_array_equal(model(features(older)), score)
    swapped = [[9, 2, 3, 8, 4], [6, 5, 1, 0, 0], *HISTORY[2:]]
    changed = np.abs(model(features(swapped)) - score).max(1)
    assert (changed[:2] > 1e-4).all()
    assert (changed[2:] == 0).all()


@pytest.mark.parametrize("mode", ["inner", "dist"])
def test_vectors_are_no_longer_than_1_where_distances_count(started, mode):
    model = started(mode, stddev=2.0)
    trainee = Trainee(model, losses.hinge, one_batch(4, 3))
    trainee.compile(optimizer=[tf.keras.optimizers.Adam(0.01)])
    label = tf.one_hot(tf.zeros([4], tf.int32), 3)
    trainee.train_step(features() | {f.LABEL: label})
    for layer in (model.user, model.long_item, model.short_item):
        longest = np.linalg.norm(table(layer), axis=1).max()
        assert (longest <= 1 + 1e-6) == (mode == "dist")


def test_a_closer_item_scores_higher(started):
    model = started("dist")
    near = table(model.long_item).copy()
    near[7] = table(model.user)[4]
    model.long_item.embeddings.assign(near)
    short = table(model.short_item).copy()
    short[[3, 4, 7]] = 0.1  # at the same place for the short term
    model.short_item.embeddings.assign(short)
    assert np.argmax(model(features())[1]) == 2
