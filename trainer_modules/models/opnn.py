"""A deep network over the fields and the weighted outer products of all their pairs.

Qu, Cai, Ren, Zhang, Yu, Wen, Wang: "Product-based Neural Networks for User Response
Prediction", ICDM 2016, https://arxiv.org/abs/1611.00144, sections 3.1 and 3.3.
Differs from the paper: the outer products are not added up before they are weighted.
Each pair has its own kernel, which reduces its outer product to a number as in Qu et
al. 2018 (https://arxiv.org/abs/1807.00311), or only the diagonal (``kernel: vector``).
Shapes: B batch, C candidates, F fields, P pairs of fields, D embedding.
"""

import tensorflow as tf

from trainer_modules.configs.fields import OPNNConfig
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.layers.joined_fields import joined_fields
from trainer_modules.layers.pairwise_products import pairwise_products
from trainer_modules.layers.tower import Tower
from trainer_modules.sizes import Sizes


class OPNN(tf.keras.Model):
    """score(u, i) = w^T tower([v_1; ...; v_F; sum(K_12 * v_1 v_2^T); ...]) + b."""

    def __init__(self, config: OPNNConfig, sizes: Sizes):
        super().__init__()
        self.embeddings = FieldEmbeddings(sizes, config.embedding_dim, l2=config.l2)
        self.products = (
            MatrixKernels() if config.kernel == "matrix" else VectorKernels()
        )
        self.tower = Tower(config.hidden_units, config.activation, config.dropout_rate)
        self.prediction = tf.keras.layers.Dense(1, dtype=tf.float32)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        fields = self.embeddings(features, training=training)  # [B, C, F, D]
        products = self.products(fields)  # [B, C, P]
        signals = tf.concat([joined_fields(fields), products], -1)  # [B, C, F * D + P]
        hidden = self.tower(signals, training=training)  # [B, C, U_L]
        return self.prediction(hidden)[..., 0]  # [B, C]


class MatrixKernels(tf.keras.layers.Layer):
    """v_f^T K_fg v_g for all pairs f < g: [B, C, F, D] to [B, C, P]."""

    def build(self, shape: tf.TensorShape) -> None:
        """Makes, for each f, the kernels of its pairs side by side: [D, pairs * D]."""
        fields, dim = shape[-2:]
        self.kernels = [
            tf.keras.layers.Dense(num_right * dim, use_bias=False)
            for num_right in range(fields - 1, 0, -1)
        ]

    def call(self, fields: tf.Tensor) -> tf.Tensor:
        """Multiplies each field by its kernels, then by the fields after it."""
        products = []
        for place, kernel in enumerate(self.kernels):
            right = fields[:, :, place + 1 :]  # [B, C, F - 1 - place, D]
            left = tf.reshape(kernel(fields[:, :, place]), tf.shape(right))
            products.append(tf.reduce_sum(left * right, -1))
        return tf.concat(products, -1)


class VectorKernels(tf.keras.layers.Layer):
    """sum_d k_fgd v_fd v_gd for all pairs f < g: [B, C, F, D] to [B, C, P]."""

    def build(self, shape: tf.TensorShape) -> None:
        """Makes the kernels [P, D]."""
        fields, dim = shape[-2:]
        self.kernel = self.add_weight("kernel", [fields * (fields - 1) // 2, dim])

    def call(self, fields: tf.Tensor) -> tf.Tensor:
        """Returns the weighted sums of the element-wise products."""
        return tf.reduce_sum(pairwise_products(fields) * self.kernel, -1)
