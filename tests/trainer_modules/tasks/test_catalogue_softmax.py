"""Sums of logarithms of sums of exponentials against NumPy, in blocks of any size."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.tasks import catalogue_softmax

NUM_STATES, NUM_ITEMS, DIM = 11, 7, 3


def values(seed=0, scale=1.0):
    random = np.random.default_rng(seed)
    state = random.normal(size=(NUM_STATES, DIM)) * scale
    item = random.normal(size=(NUM_ITEMS, DIM))
    weight = random.choice([0.0, 0.5, 1.0, 3.0], NUM_STATES)
    return state, item, weight


def expected(state, item, weight):
    """The sum and its two gradients, in double precision."""
    score = state @ item.T
    top = score.max(1, keepdims=True)
    share = np.exp(score - top)
    total = weight @ (np.log(share.sum(1)) + top[:, 0])
    share *= (weight / share.sum(1))[:, np.newaxis]
    return total, share @ item, share.T @ state


def found(state, item, weight, dtype=tf.float32):
    state, item = tf.constant(state, dtype), tf.constant(item, dtype)
    with tf.GradientTape() as tape:
        tape.watch([state, item])
        total = catalogue_softmax.summed_logsumexp(
            state, item, tf.constant(weight, tf.float32)
        )
        scaled = 2 * total
    return total, *(gradient / 2 for gradient in tape.gradient(scaled, [state, item]))


@pytest.mark.parametrize("size", [1, 4, 11, 64])
@pytest.mark.parametrize("scale", [1.0, 300.0], ids=["small", "no_exponential_fits"])
def test_sum_and_gradients_are_those_of_numpy(monkeypatch, size, scale):
    monkeypatch.setattr(catalogue_softmax, "STATES_PER_BLOCK", size)
    of = values(scale=scale)
    assert 0 < np.count_nonzero(of[2]) < NUM_STATES
    for a, b in zip(found(*of), expected(*of), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_states_that_count_nothing_change_nothing():
    state, item, weight = values()
    without = state.copy()
    without[weight == 0] = 1e3
    for a, b in zip(
        found(state, item, weight), found(without, item, weight), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_nothing_counts():
    state, item, weight = values()
    total, by_state, by_item = found(state, item, weight * 0)
    assert total == 0
    assert not np.any(by_state)
    assert not np.any(by_item)


def test_half_precision_sums_in_single_precision(monkeypatch):
    monkeypatch.setattr(catalogue_softmax, "STATES_PER_BLOCK", 2)
    of = values()
    sums = found(*of, dtype=tf.float16)
    assert sums[0].dtype == tf.float32
    for a, b in zip(sums, expected(*of), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-2)
