"""Dense layers, one after the other."""

from collections.abc import Sequence

import tensorflow as tf

from trainer_modules.layers.activations import activation_named


class Tower(tf.keras.layers.Layer):
    """[..., D] to [..., the last of the hidden units], with dropout before each."""

    def __init__(
        self,
        hidden_units: Sequence[int],
        activation: str = "relu",
        dropout_rate: float = 0.0,
    ):
        super().__init__()
        self.dropout = tf.keras.layers.Dropout(dropout_rate)
        self.dense = [
            tf.keras.layers.Dense(units, activation_named(activation))
            for units in hidden_units
        ]

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Applies them."""
        # A matrix: TensorFlow joins product, bias and ReLU of nothing else.
        hidden = tf.reshape(inputs, [-1, inputs.shape[-1]])
        for layer in self.dense:
            hidden = layer(self.dropout(hidden, training=training))
        rows = tf.shape(inputs)[:-1]
        return tf.reshape(hidden, tf.concat([rows, [hidden.shape[-1]]], 0))
