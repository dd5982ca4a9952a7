"""Lemma 3.1 of Rendle 2010 against the double sum that it replaces."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.layers.pairwise_products import sum_of_pairwise_products


def test_by_hand():
    fields = tf.constant([[1.0, 2.0], [3.0, 0.0], [-1.0, 5.0]])
    assert sum_of_pairwise_products(fields) == 3 + 9 - 3  # of 12, 13 and 23


@pytest.mark.parametrize("seed", range(5))
def test_is_the_sum_over_all_pairs_of_fields(seed):
    fields = np.random.default_rng(seed).normal(0, 1, [4, 3, 6, 5])
    expected = sum(
        (fields[:, :, i] * fields[:, :, j]).sum(-1)
        for i, j in itertools.combinations(range(6), 2)
    )
    found = sum_of_pairwise_products(tf.constant(fields, tf.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
