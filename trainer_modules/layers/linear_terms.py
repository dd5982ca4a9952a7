"""The linear part of a score: one weight for each value of each field."""

import tensorflow as tf

from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.sizes import Sizes


class LinearTerms(tf.keras.layers.Layer):
    """w_0 + sum_f w_f, the sum of a bias and of one weight for each field.

    It is the linear regression within factorisation machines and their relatives. A
    field with several values has the mean of their weights.
    """

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.weights_of_values = FieldEmbeddings(sizes, 1)
        self.bias = self.add_weight("bias", [], initializer="zeros")

    def call(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the sums [B, C]; the features are those of ``FieldEmbeddings``."""
        weights = tf.cast(self.weights_of_values(features), tf.float32)
        return tf.cast(self.bias, tf.float32) + tf.reduce_sum(weights, [-2, -1])
