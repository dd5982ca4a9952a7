"""Softmax over the items of a batch, against numpy; and what its correction is for."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.base import GradientConfig
from trainer_modules.tasks import in_batch
from trainer_modules.tasks.losses import loss_named

U, V = 402, 12
# How many users like each item; the last two are not liked.
LIKES = [0, 70, 400, 320, 250, 200, 160, 120, 80, 60, 0, 0]


@pytest.fixture(scope="module")
def data(transformed_log):
    random = np.random.default_rng(3)
    log = {user: [(11, 0, 1.0)] for user in range(2, U)}
    for item, count in enumerate(LIKES):
        for user in random.choice(np.arange(2, U), count, replace=False):
            log[int(user)].append((item, 1, 5.0))
    return transformed_log(log, {}, U, V)


def training_set(data, batch_size=4):
    config = GradientConfig(task="in_batch", batch_size=batch_size)
    return in_batch.training_set(data, data.train_ratings, config, seed=0)


def test_batches_hold_likes_of_items_with_a_row_and_the_share_of_each(data):
    made = training_set(data, batch_size=1)
    num_likes = sum(LIKES[2:])
    assert made.steps == num_likes
    batches = list(itertools.islice(made.batches, made.steps))
    items = np.concatenate([batch[f.ITEM_INDEX][:, 0] for batch in batches])
    assert np.bincount(items, minlength=V).tolist() == [0, 0, *LIKES[2:]]
    share = np.exp(np.concatenate([b[in_batch.LOG_SHARE] for b in batches]))
    np.testing.assert_allclose(share, np.array(LIKES)[items] / num_likes, rtol=1e-5)


def test_an_epoch_has_each_like_once(transformed_log):
    log = {u: [(2 + n, 1, 5.0) for n in range(8)] for u in range(2, 52)}
    made = training_set(transformed_log(log, {}, 52, 10))
    assert (made.steps, made.batch_size, made.pairs) == (100, 4, 100 * 4)


@pytest.mark.parametrize(("num_likes", "size"), [(190, 32), (20, 20), (6400, 64)])
def test_a_like_is_not_alone_in_its_batch(transformed_log, num_likes, size):
    users = num_likes // 10
    log = {u: [(2 + n, 1, 5.0) for n in range(10)] for u in range(2, 2 + users)}
    made = training_set(transformed_log(log, {}, 2 + users, 12), batch_size=256)
    assert made.batch_size == size
    assert made.steps == num_likes // size


def test_loss_is_the_corrected_softmax_over_the_other_items():
    score = np.array([[1.0, 0.5, -1.0, 2.0]] * 4) + np.arange(4)[:, np.newaxis] ** 2
    score[1, 2], score[2, 0] = 3.0, -2.0
    item = [5, 7, 5, 8]
    log_share = np.log([0.4, 0.1, 0.4, 0.5])
    weight = np.array([1.0, 2.0, 0.5, 1.0])
    given = {}

    def model(features, training):
        given.update(features)
        assert training
        return tf.constant(score, tf.float32)

    batch = {
        f.USER_INDEX: tf.constant([2, 3, 4, 2]),
        f.ITEM_INDEX: tf.constant(item)[:, tf.newaxis],
        f.LABEL: tf.ones([4, 1]),
        f.WEIGHT: tf.constant(weight, tf.float32),
        in_batch.LOG_SHARE: tf.constant(log_share, tf.float32),
        in_batch.PLACE: tf.range(4),
    }
    losses = in_batch.losses_in_batch(model, batch, loss_named("softmax", V))
    assert given.keys() == {f.USER_INDEX, f.ITEM_INDEX}
    assert given[f.ITEM_INDEX].numpy().tolist() == [item]
    for row in range(4):
        corrected = np.exp(score[row] - log_share)
        compared = [c for c in range(4) if c == row or item[c] != item[row]]
        expected = -np.log(corrected[row] / corrected[compared].sum())
        np.testing.assert_allclose(losses[row], weight[row] * expected, rtol=1e-5)


def test_scores_become_the_logarithm_of_popularity(data):
    """Without the correction, every item would score alike: all are in batches."""
    bias = tf.Variable(tf.zeros([V]))

    def model(features, training):
        item = features[f.ITEM_INDEX]
        return tf.gather(bias, tf.repeat(item, tf.size(features[f.USER_INDEX]), 0))

    made, optimizer = training_set(data), tf.keras.optimizers.Adam(0.02)
    for batch in made.batches.take(2000):
        with tf.GradientTape() as tape:
            losses = in_batch.losses_in_batch(model, batch, loss_named("softmax", V))
            loss = tf.reduce_mean(losses)
        optimizer.minimize(loss, [bias], tape)
    liked = slice(2, 10)
    slope = np.polyfit(np.log(LIKES[liked]), bias.numpy()[liked], 1)[0]
    assert 0.75 < slope < 1.25


def test_nothing_liked_is_an_error_that_says_so(transformed_log):
    only_unknown = transformed_log({2: [(1, 1, 5.0), (3, 0, 1.0)]}, {}, U, V)
    with pytest.raises(ValueError, match=r"no positive.*label\.threshold"):
        training_set(only_unknown)
