"""Activations by the names that a configuration may give."""

from collections.abc import Callable

import tensorflow as tf

from trainer_modules import addons
from trainer_modules.configs.base import Activation

Function = Callable[[tf.Tensor], tf.Tensor]


def activation_named(name: Activation | str) -> Function:
    """Finds an activation.

    Raises:
        ValueError: For a name that is neither ``mish`` nor one of Keras's.
    """
    if name == "mish":
        return addons.mish
    if name == "leaky_relu":
        return tf.nn.leaky_relu  # slope 0.2, TensorFlow's default
    function: Function = tf.keras.activations.get(name)
    return function
