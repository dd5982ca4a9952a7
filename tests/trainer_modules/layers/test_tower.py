"""Dense layers in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.layers.tower import Tower


@pytest.mark.parametrize("seed", range(5))
def test_is_one_dense_layer_after_the_other(seed):
    tf.keras.utils.set_random_seed(seed)
    tower = Tower((5, 3), "relu")
    inputs = np.random.default_rng(seed).normal(0, 1, [4, 2, 6]).astype(np.float32)
    found = tower(inputs)
    first, first_bias, second, second_bias = (w.numpy() for w in tower.weights)
    assert (first.shape, second.shape) == ((6, 5), (5, 3))
    hidden = np.maximum(inputs @ first + first_bias, 0)
    expected = np.maximum(hidden @ second + second_bias, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_dropout_is_before_each_layer_and_in_training_only():
    tower = Tower((8, 8), "linear", dropout_rate=0.5)
    inputs = tf.ones([1000, 8])
    tower(inputs)
    for layer in tower.dense:
        layer.kernel.assign(tf.eye(8))
    np.testing.assert_array_equal(tower(inputs), inputs)
    # Kept twice is a quarter of them, and each time it counts double.
    kept = tower(inputs, training=True).numpy()
    assert set(kept.ravel()) == {0, 4}
    assert (kept > 0).mean() == pytest.approx(1 / 4, abs=5 * np.sqrt(3 / 16 / 8000))


def test_without_layers_it_is_what_went_in():
    np.testing.assert_array_equal(Tower(())(tf.ones([2, 3])), np.ones([2, 3]))
