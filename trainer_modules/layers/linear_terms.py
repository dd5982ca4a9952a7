"""The part of a score that is a sum of one weight for each field."""

import tensorflow as tf

from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.sizes import Sizes


class LinearTerms(tf.keras.layers.Layer):
    """w_0 + sum_f w_f: [B, C]."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.weights_of_values = FieldEmbeddings(sizes, 1)
        self.bias = self.add_weight("bias", [], initializer="zeros")

    def call(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """Adds the weights of a pair's values, the mean's of several in one field."""
        weights = tf.cast(self.weights_of_values(features), tf.float32)
        return tf.cast(self.bias, tf.float32) + tf.reduce_sum(weights, [-2, -1])
