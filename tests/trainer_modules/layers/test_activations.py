"""Every activation that a configuration may name, by its formula."""

import math
import typing

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.configs.base import Activation
from trainer_modules.layers.activations import activation_named

X = np.linspace(-6, 6, 49)
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
SIGMOID = 1 / (1 + np.exp(-X))
FORMULAS = {
    "elu": np.where(X > 0, X, np.expm1(X)),
    "gelu": X * np.array([(1 + math.erf(x / math.sqrt(2))) / 2 for x in X]),
    "leaky_relu": np.where(X > 0, X, 0.2 * X),
    "linear": X,
    "mish": X * np.tanh(np.log1p(np.exp(X))),
    "relu": np.maximum(X, 0),
    "selu": SELU_SCALE * np.where(X > 0, X, SELU_ALPHA * np.expm1(X)),
    "sigmoid": SIGMOID,
    "swish": X * SIGMOID,
    "tanh": np.tanh(X),
}


@pytest.mark.parametrize("name", typing.get_args(Activation))
def test_is_what_its_name_says(name):
    found = activation_named(name)(tf.constant(X, tf.float32))
    np.testing.assert_allclose(found, FORMULAS[name], rtol=1e-4, atol=1e-5)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match="mush"):
        activation_named("mush")
