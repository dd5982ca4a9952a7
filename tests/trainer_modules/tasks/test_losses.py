"""Each loss in numpy, one row at a time."""

import math

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.configs.base import LOSSES
from trainer_modules.tasks import losses

NUM_ITEMS = 50
SCORE = np.random.default_rng(0).normal(0, 2, [6, 5])
LABEL = np.random.default_rng(1).integers(0, 2, [6, 5])


def entropy(score, label):
    probability = 1 / (1 + math.exp(-score))
    return -math.log(probability if label else 1 - probability)


def balanced(score, label):
    each = [entropy(s, y) for s, y in zip(score, label, strict=True)]
    return (each[0] + np.mean(each[1:])) / 2


def warp(score):
    for trial, other in enumerate(score[1:], 1):
        if 1 + other - score[0] > 0:
            rank = (NUM_ITEMS - 1) // trial
            return math.log(max(rank, 1)) * (1 + other - score[0])
    return 0.0


ROWS = {
    "cross_entropy": lambda s, y: [entropy(*p) for p in zip(s, y, strict=True)],
    "balanced_cross_entropy": balanced,
    "squared_error": lambda s, y: [(a - b) ** 2 for a, b in zip(s, y, strict=True)],
    "bpr": lambda s, y: [math.log1p(math.exp(other - s[0])) for other in s[1:]],
    "hinge": lambda s, y: [max(0.0, 0.5 + other - s[0]) for other in s[1:]],
    "warp": lambda s, y: warp(s),
}


@pytest.mark.parametrize("name", ROWS)
def test_is_the_formula(name):
    found = losses.loss_named(name, NUM_ITEMS)(
        tf.constant(SCORE, tf.float32), tf.constant(LABEL, tf.float32)
    )
    expected = [ROWS[name](s, y) for s, y in zip(SCORE, LABEL, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_every_loss_of_a_task_is_here():
    # Those of the other tasks are in test_sequence.py and test_in_batch.py.
    elsewhere = ("sequence", "in_batch")
    of_rows = [name for task in {*LOSSES} - {*elsewhere} for name in LOSSES[task]]
    assert set(of_rows) == set(ROWS)


@pytest.mark.parametrize("name", ["bpr", "hinge", "warp"])
def test_a_loss_of_an_order_sees_differences_only(name):
    loss = losses.loss_named(name, NUM_ITEMS)
    score = tf.constant(SCORE, tf.float32)
    np.testing.assert_allclose(
        loss(score, None), loss(score + 3.0, None), rtol=1e-3, atol=1e-5
    )


def test_large_scores_stay_finite():
    score = tf.constant([[1e4, -1e4], [-1e4, 1e4]])
    for name in ROWS:
        loss = losses.loss_named(name, NUM_ITEMS)(score, tf.constant([[1.0, 0.0]] * 2))
        assert np.isfinite(loss).all(), name
