"""Explicit interactions of vectors, layer by layer, beside a deep and a linear part.

Lian, Zhou, Zhang, Chen, Xie, Sun: "xDeepFM: Combining Explicit and Implicit Feature
Interactions for Recommender Systems", KDD 2018, https://arxiv.org/abs/1803.05170,
equations 6 to 9.
Shapes: B batch, C candidates, F fields, D embedding, H a layer's feature maps, U the
tower's widths.
"""

import itertools
from collections.abc import Sequence

import tensorflow as tf

from trainer_modules.configs.fields import XDeepFMConfig
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.layers.joined_fields import joined_fields
from trainer_modules.layers.linear_terms import LinearTerms
from trainer_modules.layers.tower import Tower
from trainer_modules.sizes import Sizes


class XDeepFM(tf.keras.Model):
    """score(u, i) = linear(u, i) + w_cin^T p+ + w_dnn^T tower([v_1; ...; v_F])."""

    def __init__(self, config: XDeepFMConfig, sizes: Sizes):
        super().__init__()
        self.linear = LinearTerms(sizes)
        self.embeddings = FieldEmbeddings(sizes, config.embedding_dim, l2=config.l2)
        self.cin = CompressedInteractions(config.cin_units)
        self.tower = Tower(config.hidden_units, config.activation, config.dropout_rate)
        self.prediction = tf.keras.layers.Dense(1, use_bias=False, dtype=tf.float32)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        fields = self.embeddings(features, training=training)  # [B, C, F, D]
        explicit = self.cin(fields)  # [B, C, H_1 + ... + H_K]
        deep = self.tower(joined_fields(fields), training=training)  # [B, C, U_L]
        hidden = tf.concat([explicit, deep], -1)  # [B, C, H_1 + ... + H_K + U_L]
        return self.linear(features) + self.prediction(hidden)[..., 0]  # [B, C]


class CompressedInteractions(tf.keras.layers.Layer):
    """p+ of equations 6 and 7, without storing the products of all maps and fields.

    A layer's sums over D (equation 7) are computed from inner products, so its maps
    (equation 6) are needed by the next layer only: sum_f v_f * (W_f x), field by field.
    """

    def __init__(self, units: Sequence[int]):
        super().__init__()
        self.units = units

    def build(self, shape: tf.TensorShape) -> None:
        """Makes the kernel W [F, H', H] of each layer."""
        self.kernels = [
            self.add_weight(f"kernel_{k}", [shape[-2], before, maps])
            for k, (before, maps) in enumerate(
                zip([shape[-2], *self.units], self.units, strict=False)
            )
        ]

    def call(self, fields: tf.Tensor) -> tf.Tensor:
        """Returns [B, C, H_1 + ... + H_K] for fields [B, C, F, D]."""
        x_0 = maps = tf.einsum("bcfd->bcdf", fields)  # [B, C, D, F]
        pooled = [_pooled(x_0, maps, self.kernels[0])]  # [B, C, H_1]
        for kernel, next_kernel in itertools.pairwise(self.kernels):
            maps = _maps(x_0, maps, kernel)  # [B, C, D, H]
            pooled.append(_pooled(x_0, maps, next_kernel))  # [B, C, H]
        return tf.concat(pooled, -1)


def _maps(x_0: tf.Tensor, maps: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    fields = zip(tf.split(x_0, kernel.shape[0], -1), tf.unstack(kernel), strict=True)
    return tf.add_n([field * tf.tensordot(maps, w, 1) for field, w in fields])


def _pooled(x_0: tf.Tensor, maps: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    products = tf.matmul(x_0, maps, transpose_a=True)  # [B, C, F, H']
    return tf.tensordot(products, kernel, 2)
