"""Generalised matrix factorisation: a weighted inner product of user and item.

He, Liao, Zhang, Nie, Hu, Chua: "Neural Collaborative Filtering", WWW 2017,
https://arxiv.org/abs/1708.05031, section 3.2, equations 8 and 9.
Differs from the paper: h starts at one, which makes the model matrix factorisation, and
the embeddings of a batch may decay (Rendle et al. 2020, https://arxiv.org/abs/2005.09683,
section 2.2).
Shapes: B batch, C candidates.
"""

import tensorflow as tf

from trainer_modules.configs.factorization import GMFConfig
from trainer_modules.layers.generalised_product import GeneralisedProduct
from trainer_modules.sizes import Sizes


class GMF(tf.keras.Model):
    """score(u, i) = h^T (p_u * q_i) + b."""

    def __init__(self, config: GMFConfig, sizes: Sizes):
        super().__init__()
        self.product = GeneralisedProduct(
            sizes, config.embedding_dim, config.stddev, config.l2
        )

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        return self.product(features, training=training)  # [B, C]
