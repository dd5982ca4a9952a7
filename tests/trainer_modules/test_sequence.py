"""Pieces of histories against a plain oracle; losses against loops over positions."""

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from trainer_modules import features as f
from trainer_modules.interactions import Ratings
from trainer_modules.tasks import losses, sequence

# The items of each user, oldest first; some users have none. Even items are liked.
logs = st.lists(st.lists(st.integers(2, 9), max_size=12), min_size=1, max_size=6)


def ratings_of(log):
    pairs = [(user, item) for user, items in enumerate(log, 2) for item in items]
    user, item = np.array(pairs, np.int32).reshape(-1, 2).T
    return Ratings(
        user, item, (item % 2 == 0).astype(np.int32), np.ones(len(item), np.float32)
    )


@settings(max_examples=100)
@given(logs.filter(any), st.integers(1, 7))
def test_each_rating_but_the_first_follows_one_position(log, length):
    history, target, label = sequence.pieces(ratings_of(log), length)
    expected = []
    for items in log:
        last = len(items) - 1  # position of the newest target of a piece
        while last > 0:
            first = max(1, last - length + 1)
            pad = [0] * (length - (last - first + 1))
            expected.append(
                (
                    pad + items[first - 1 : last],
                    pad + items[first : last + 1],
                    pad + [int(item % 2 == 0) for item in items[first : last + 1]],
                )
            )
            last -= length
    found = zip(history.tolist(), target.tolist(), label.tolist(), strict=True)
    assert list(found) == expected
    assert history.shape[1] == length


class Linear:
    """States and vectors that are tables."""

    def __init__(self, num_items, dim):
        self.table = tf.random.stateless_normal([num_items, dim], [1, 2])

    def states(self, history, training=False):
        del training
        return tf.gather(self.table, history) * 0.5

    def vectors(self, item):
        return tf.gather(self.table, item)


@pytest.mark.parametrize("others", [range(1, 9), [3, 8, 3]])
def test_softmax_is_of_what_followed_among_the_other_items(others):
    model, others = Linear(9, 4), list(others)
    history, target = [[0, 2, 5], [4, 3, 8]], [[0, 5, 6], [3, 8, 2]]
    label = [[0, 1, 0], [1, 1, 1]]
    batch = {
        f.HISTORY_ITEM_INDEX: tf.constant(history),
        f.ITEM_INDEX: tf.constant(target),
        sequence.OTHERS: tf.constant([others, others]),
    }
    score = sequence.score_next_items(model, batch)
    found = losses.softmax(score, tf.constant(label))
    table, expected = model.table.numpy().astype(float), []
    for row in range(2):
        for place in range(3):
            state = table[history[row][place]] * 0.5
            right = state @ table[target[row][place]]
            wrong = [state @ table[j] for j in others if j != target[row][place]]
            loss = np.log(np.sum(np.exp([right, *wrong]))) - right
            expected.append(loss * label[row][place])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_gbce_of_all_items_at_full_calibration_is_that_of_the_paper():
    """With t = 1, beta is 1 (Petrov and Macdonald 2023, equation 12)."""
    score = np.array([[0.3, -1.0, 2.0], [1.5, 0.2, -0.4]])
    sigmoid = 1 / (1 + np.exp(-score))
    for num_items, calibration in ((9, 0.0), (9, 0.75), (3, 1.0)):
        alpha = 2 / (num_items - 1)
        beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
        expected = -beta * np.log(sigmoid[:, 0]) - np.log(1 - sigmoid[:, 1:]).sum(1)
        found = losses.gbce(
            tf.constant(score), tf.constant([1, 1]), num_items, calibration
        )
        np.testing.assert_allclose(found, expected)
