"""The weighted inner product of a user's and an item's vector."""

import tensorflow as tf

from trainer_modules.layers.dot_product import dot_product
from trainer_modules.layers.id_embeddings import IdEmbeddings
from trainer_modules.sizes import Sizes


class GeneralisedProduct(tf.keras.Model):
    """score(u, i) = h^T (p_u * q_i) + b, with learned weights h.

    He et al. 2017 (https://arxiv.org/abs/1708.05031), equations 8 and 9, computed as
    the inner product of h * p_u with q_i. The bias b is not in the paper but in the
    authors' program.
    """

    def __init__(self, sizes: Sizes, dim: int, stddev: float = 0.01, l2: float = 0.0):
        """Makes the embeddings and the weights.

        Args:
            sizes: Number of users and items.
            dim: D, length of the vectors of users and items.
            stddev: Standard deviation of their random initial values.
            l2: Strength of their weight decay.
        """
        super().__init__()
        self.embeddings = IdEmbeddings(sizes, dim, stddev, l2)
        self.h = self.add_weight("h", [dim], initializer="ones")
        self.bias = self.add_weight("bias", [], initializer="zeros")

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C] of users [B] with candidates [B, C] or [1, C]."""
        user, item = self.embeddings(features, training=training)
        score = tf.cast(dot_product(self.h * user, item), tf.float32)  # [B, C]
        return score + tf.cast(self.bias, tf.float32)

    def scale(self, factor: float) -> None:
        """Multiplies all future scores by a factor."""
        self.h.assign(factor * self.h)
        self.bias.assign(factor * self.bias)
