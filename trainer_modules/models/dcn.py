"""Feature crosses of bounded degree beside a deep network.

Wang, Fu, Fu, Wang: "Deep & Cross Network for Ad Click Predictions", ADKDD 2017,
https://arxiv.org/abs/1708.05123, equations 3 to 6 (``cross: vector``). Wang, Shivanna,
Cheng, Jain, Lin, Hong, Chi: "DCN V2", WWW 2021, https://arxiv.org/abs/2008.13535,
equation 1 in its parallel structure (``cross: matrix``).
Shapes: B batch, C candidates, F fields, D embedding, U the tower's widths.
"""

import tensorflow as tf

from trainer_modules.configs.fields import DCNConfig
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.layers.joined_fields import joined_fields
from trainer_modules.layers.tower import Tower
from trainer_modules.sizes import Sizes


class DCN(tf.keras.Model):
    """score(u, i) = w^T [cross_L(... cross_1(x_0)) ; tower(x_0)] + b."""

    def __init__(self, config: DCNConfig, sizes: Sizes):
        super().__init__()
        self.embeddings = FieldEmbeddings(sizes, config.embedding_dim, l2=config.l2)
        cross = MatrixCross if config.cross == "matrix" else VectorCross
        self.crosses = [cross() for _ in range(config.num_layers)]
        self.tower = Tower(config.hidden_units, config.activation, config.dropout_rate)
        self.prediction = tf.keras.layers.Dense(1, dtype=tf.float32)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        crossed = x_0 = joined_fields(
            self.embeddings(features, training=training)
        )  # [B, C, F * D]
        for cross in self.crosses:
            crossed = cross([x_0, crossed])  # [B, C, F * D]
        deep = self.tower(x_0, training=training)  # [B, C, U_L]
        return self.prediction(tf.concat([crossed, deep], -1))[..., 0]  # [B, C]


class VectorCross(tf.keras.layers.Layer):
    """x_{l+1} = x_0 x_l^T w_l + b_l + x_l, equation 3 of 2017.

    Each layer raises the degree of the polynomial in x_0 by one, with one weight for
    each of the N numbers in x_0.
    """

    def build(self, shapes: list[tf.TensorShape]) -> None:
        """Makes w_l [N, 1] and b_l [N]."""
        self.product = tf.keras.layers.Dense(1, use_bias=False)
        self.bias = self.add_weight("bias", [shapes[0][-1]], initializer="zeros")

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Returns x_{l+1} [..., N] for the inputs x_0 and x_l, [..., N] each."""
        x_0, x = inputs
        return x_0 * self.product(x) + self.bias + x


class MatrixCross(tf.keras.layers.Layer):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l, equation 1 of 2021.

    The same degree as ``VectorCross``, with one weight for each pair of numbers.
    """

    def build(self, shapes: list[tf.TensorShape]) -> None:
        """Makes W_l [N, N] and b_l [N]."""
        self.product = tf.keras.layers.Dense(shapes[0][-1])

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Returns x_{l+1} [..., N] for the inputs x_0 and x_l, [..., N] each."""
        x_0, x = inputs
        return x_0 * self.product(x) + x
