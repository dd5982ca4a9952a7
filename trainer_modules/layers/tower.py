"""A stack of dense layers."""

from collections.abc import Sequence

import tensorflow as tf

from trainer_modules.layers.activations import activation_named


class Tower(tf.keras.layers.Layer):
    """Dense layers one after the other, with dropout before each.

    For example, ``Tower((64, 32))`` maps [B, C, D] to [B, C, 32].
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        activation: str = "relu",
        dropout_rate: float = 0.0,
    ):
        """Makes the layers.

        Args:
            hidden_units: Width of each layer; at least one.
            activation: Name of the activation of every layer.
            dropout_rate: Share of each layer's inputs that training drops.
        """
        super().__init__()
        self.dropout = tf.keras.layers.Dropout(dropout_rate)
        self.dense = [
            tf.keras.layers.Dense(units, activation_named(activation))
            for units in hidden_units
        ]

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the last layer's output, [..., U] for inputs [..., D]."""
        # TensorFlow fuses product, bias and ReLU for matrices only.
        hidden = tf.reshape(inputs, [-1, inputs.shape[-1]])
        for layer in self.dense:
            hidden = layer(self.dropout(hidden, training=training))
        rows = tf.shape(inputs)[:-1]
        return tf.reshape(hidden, tf.concat([rows, [hidden.shape[-1]]], 0))
