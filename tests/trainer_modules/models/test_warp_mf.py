"""WARP: Weston et al. 2011, algorithm 1, by a loop; LightFM's sums over features."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build
from trainer_modules import features as f
from trainer_modules.sizes import Sizes
from trainer_modules.tasks.losses import loss_named

NUM_ITEMS = 50
SIZES = Sizes(
    num_users=5,
    num_items=6,
    user_fields=("user_age_index",),
    num_user_values=5,
    item_fields={
        "item_genres": np.array(
            [[0, 0], [0, 0], [2, 3], [3, 0], [0, 0], [4, 2]], np.int32
        )
    },
    num_item_values=5,
)


def warp_by_a_loop(score):
    """One trial after the other, until one violates the margin."""
    losses = []
    for positive, *trials in score:
        loss = 0.0
        for n, negative in enumerate(trials, start=1):
            if 1 + negative - positive > 0:
                rank = max(1, math.floor((NUM_ITEMS - 1) / n))
                loss = math.log(rank) * (1 + negative - positive)
                break
        losses.append(loss)
    return losses


@pytest.mark.parametrize("seed", range(5))
def test_loss_is_that_of_the_first_trial_that_comes_too_near(seed):
    random = np.random.default_rng(seed)
    score = random.normal(0, 1.5, [40, 30])
    score[:, 0] += random.choice([0, 2, 5, 20], 40)
    loss = loss_named("warp", NUM_ITEMS)(tf.constant(score), tf.one_hot([0] * 40, 30))
    expected = warp_by_a_loop(score)
    assert 0 in expected
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_only_the_positive_and_that_trial_are_moved():
    score = tf.Variable([[0.5, -2.0, 0.1, 3.0], [9.0, 0.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = loss_named("warp", NUM_ITEMS)(score, tf.one_hot([0, 0], 4))
    weight = math.log(49 // 2)
    np.testing.assert_allclose(
        tape.gradient(loss, score), [[-weight, 0, weight, 0], [0] * 4], rtol=1e-6
    )


def test_score_is_a_product_of_sums_over_features_and_their_biases():
    model = build("warp_mf", SIZES, embedding_dim=3)
    users = {
        f.USER_INDEX: tf.constant([2, 4]),
        "user_age_index": tf.constant([[3, 0], [0, 0]]),
    }
    items = [2, 4, 5]
    model(users | {f.ITEM_INDEX: tf.constant([items])})
    random = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, 0.8, weight.shape))
    tables = model.embeddings

    def vector(table, value_table, index, values):
        own = table.embeddings.numpy()[index]
        known = [value_table.embeddings.numpy()[value] for value in values if value]
        return own + (np.mean(known, 0) if known else 0)

    score = model(users | {f.ITEM_INDEX: tf.constant([items])})
    for row, user in enumerate([2, 4]):
        ages = users["user_age_index"][row].numpy()
        p = vector(tables.user, tables.user_value, user, ages)
        for column, item in enumerate(items):
            genres = SIZES.item_fields["item_genres"][item]
            q = vector(tables.item, tables.item_value, item, genres)
            expected = p[:3] @ q[:3] + p[3] + q[3]
            np.testing.assert_allclose(score[row, column], expected, rtol=1e-4)


def test_biases_start_at_zero_and_vectors_do_not():
    model = build("warp_mf", SIZES, embedding_dim=3, stddev=0.5)
    model(
        {
            f.USER_INDEX: tf.constant([2]),
            "user_age_index": tf.constant([[3]]),
            f.ITEM_INDEX: tf.constant([[2]]),
        }
    )
    for table in model.get_weights():
        assert table.shape[1] == 4
        np.testing.assert_array_equal(table[:, 3], 0)
        assert (table[:, :3] != 0).all()
        assert 0.2 < table[:, :3].std() < 1
