"""Activation functions by the names that a configuration uses."""

from collections.abc import Callable

import tensorflow as tf

from trainer_modules import addons
from trainer_modules.configs.base import Activation

Function = Callable[[tf.Tensor], tf.Tensor]


def activation_named(name: Activation | str) -> Function:
    """Returns the activation function of a name.

    Args:
        name: ``mish``, ``leaky_relu`` (slope 0.2), or the name of one of Keras's.

    Raises:
        ValueError: If no activation has that name.
    """
    if name == "mish":
        return addons.mish
    if name == "leaky_relu":
        return tf.nn.leaky_relu  # slope 0.2, TensorFlow's default
    function: Function = tf.keras.activations.get(name)
    return function
