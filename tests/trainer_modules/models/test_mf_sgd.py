"""MFSGD: equations 4 and 5 of Koren, Bell and Volinsky 2009, a rating at a time."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build, one_batch
from trainer_modules import features as f
from trainer_modules.sizes import Sizes
from trainer_modules.tasks import losses
from trainer_modules.tasks.task import Trainee

SIZES = Sizes(num_users=6, num_items=7, mean_rating=3.5)
USER, ITEM, STARS = [2, 3, 2, 5], [4, 4, 6, 2], [5.0, 2.0, 3.0, 4.0]


def batch(user, item):
    return {
        f.USER_INDEX: tf.constant(user),
        f.ITEM_INDEX: tf.constant(item)[:, tf.newaxis],
    }


@pytest.fixture
def started():
    """Makes a model with biases that are not 0."""

    def make(**overrides):
        model = build("mf_sgd", SIZES, embedding_dim=3, stddev=0.5, **overrides)
        model(batch(USER, ITEM))
        random = np.random.default_rng(0)
        for weight in model.biases.trainable_variables:
            weight.assign(random.normal(0, 0.5, weight.shape))
        return model

    return make


def tables(model):
    """Biases and vectors of users and items."""
    return [
        layer.embeddings.numpy().astype(np.float64)
        for both in (model.biases, model.embeddings)
        for layer in (both.user, both.item)
    ]


def predicted(mean, weights, user, item):
    user_bias, item_bias, user_vector, item_vector = weights
    pairs = zip(user_vector[user], item_vector[item], strict=True)
    product = sum(p * q for p, q in pairs)
    return mean + user_bias[user, 0] + item_bias[item, 0] + product


def test_score_is_equation_4(started):
    model = started()
    score = model(batch(USER, ITEM)).numpy()[:, 0]
    expected = [
        predicted(3.5, tables(model), user, item)
        for user, item in zip(USER, ITEM, strict=True)
    ]
    np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_logits_have_no_mean_of_stars(started):
    model = started(task="retrieval", loss="cross_entropy", num_negatives=4)
    score = model(batch(USER, ITEM)).numpy()[:, 0]
    expected = [
        predicted(0, tables(model), user, item)
        for user, item in zip(USER, ITEM, strict=True)
    ]
    np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-6)


def test_a_step_adds_up_the_updates_of_its_ratings(started):
    # Funk's and Surprise's: b += r (e - l b), p += r (e q - l p), all from the start.
    rate, l2 = 0.01, 0.3
    model = started(l2=l2)
    before = tables(model)
    after = [table.copy() for table in before]
    for user, item, stars in zip(USER, ITEM, STARS, strict=True):
        error = stars - predicted(3.5, before, user, item)
        user_bias, item_bias, user_vector, item_vector = before
        after[0][user] += rate * (error - l2 * user_bias[user])
        after[1][item] += rate * (error - l2 * item_bias[item])
        after[2][user] += rate * (error * item_vector[item] - l2 * user_vector[user])
        after[3][item] += rate * (error * user_vector[user] - l2 * item_vector[item])

    trainee = Trainee(model, losses.squared_error, one_batch(len(USER)))
    learning_rate = rate * len(USER) / 2  # as in MFSGDConfig
    trainee.compile(optimizer=[tf.keras.optimizers.SGD(learning_rate)])
    label = tf.constant(STARS)[:, tf.newaxis]
    trainee.train_step(batch(USER, ITEM) | {f.LABEL: label})
    for table, expected in zip(tables(model), after, strict=True):
        np.testing.assert_allclose(table, expected, rtol=1e-4, atol=1e-6)


def test_the_mean_is_of_the_training_ratings(planted):
    # 10 of everybody's 14 ratings have 5 stars, the others 1.
    np.testing.assert_allclose(planted.data.train_ratings.mean(), 54 / 14, rtol=1e-6)


def test_by_its_settings_it_learns_to_retrieve(planted, train):
    # A rate of 0.05 for each pair, x 4096 x 5, as in MFSGDConfig.
    model = train(
        "mf_sgd",
        task="retrieval",
        loss="cross_entropy",
        num_negatives=4,
        learning_rate=1024.0,
        l2=0.005,
        patience=10,
    )
    users = np.arange(f.NUM_RESERVED, planted.data.sizes.num_users)
    items = planted.output.vocabulary_by_name(f.ITEM_VOCABULARY)
    people = planted.output.vocabulary_by_name(f.USER_VOCABULARY)
    features = {
        f.USER_INDEX: tf.constant(users),
        f.ITEM_INDEX: tf.range(f.NUM_RESERVED, len(items) + 2)[tf.newaxis],
    }
    score = model(features).numpy()
    black = np.array([item.startswith(b"b") for item in items])
    difference = score[:, black].mean(1) - score[:, ~black].mean(1)
    likes_black = np.array([int(user[1:]) % 2 == 0 for user in people])
    assert ((difference > 0) == likes_black).all()
