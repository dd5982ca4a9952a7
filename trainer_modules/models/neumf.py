"""Neural matrix factorisation: a generalised product beside a tower, joined at the end.

He, Liao, Zhang, Nie, Hu, Chua: "Neural Collaborative Filtering", WWW 2017,
https://arxiv.org/abs/1708.05031, equations 8 to 13 and figure 3.
Differs from the paper: each half of the model has its half of h, which gives the same
sum; the first layer of the tower is applied to user and item separately; the embeddings
of a batch may decay, and dropout in the tower is possible.
Shapes: B batch, C candidates.
"""

import dataclasses
from collections.abc import Iterator

import tensorflow as tf

from trainer_modules.configs.factorization import NeuMFConfig
from trainer_modules.layers.generalised_product import GeneralisedProduct
from trainer_modules.layers.two_sided_tower import TwoSidedTower
from trainer_modules.sizes import Sizes


class NeuMF(tf.keras.Model):
    """score(u, i) = h^T [p_u * q_i ; ReLU(W_L(... ReLU(W_1 [p'_u ; q'_i]...)))] + b."""

    def __init__(self, config: NeuMFConfig, sizes: Sizes):
        super().__init__()
        self.config = config
        self.gmf = GeneralisedProduct(
            sizes, config.embedding_dim, config.stddev, config.l2
        )
        self.mlp = TwoSidedTower.from_widths(
            sizes, config.hidden_units, config.dropout_rate, config.l2
        )

    def pretrain(self) -> Iterator[tuple[tf.keras.Model, NeuMFConfig]]:
        """Yields each half to be trained by Adam, then joins them (section 3.4.1).

        A half that is trained without the other keeps its scores: equation 13 is a mean
        of two trained models.
        """
        config = self.config
        halves = ((self.gmf, config.gmf), (self.mlp, config.mlp))
        trained = [(half, alone) for half, alone in halves if alone.epochs]
        for half, alone in trained:
            half.embeddings.l2 = alone.l2
            yield half, dataclasses.replace(config, optimizer="adam", **vars(alone))
            half.embeddings.l2 = config.l2
        if len(trained) == len(halves):
            self.gmf.scale(config.alpha)  # equation 13
            self.mlp.scale(1 - config.alpha)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        product = self.gmf(features, training=training)  # [B, C]
        return product + self.mlp(features, training=training)  # [B, C]
