"""Matrix factorisation of ratings: the mean, biases and a product of factors.

Koren, Bell, Volinsky: "Matrix Factorization Techniques for Recommender Systems", IEEE
Computer 2009, https://doi.org/10.1109/MC.2009.263, equations 4 and 5. With ``task:
retrieval`` and ``loss: cross_entropy`` the dot product of Rendle, Krichene, Zhang,
Anderson: "Neural Collaborative Filtering vs. Matrix Factorization Revisited", RecSys
2020, https://arxiv.org/abs/2005.09683, section 2.2.
Differs from the papers: a step uses a batch of ratings instead of a single one.
Shapes: B batch, C candidates, D embedding.
"""

import tensorflow as tf

from trainer_modules.configs.factorization import MFSGDConfig
from trainer_modules.layers.dot_product import dot_product
from trainer_modules.layers.id_embeddings import IdEmbeddings
from trainer_modules.sizes import Sizes


class MFSGD(tf.keras.Model):
    """score(u, i) = mu + b_u + b_i + <p_u, q_i>."""

    def __init__(self, config: MFSGDConfig, sizes: Sizes):
        super().__init__()
        # The mean rating is not meaningful for logits.
        self.mean = sizes.mean_rating if config.loss == "squared_error" else 0.0
        self.biases = IdEmbeddings(sizes, 1, 0.0, config.l2)
        self.embeddings = IdEmbeddings(
            sizes, config.embedding_dim, config.stddev, config.l2
        )

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns stars or logits [B, C]; unknown ids have a row like others."""
        b_user, b_item = self.biases(features, training=training)  # [B, 1], [., C, 1]
        user, item = self.embeddings(features, training=training)  # [B, D], [., C, D]
        score = self.mean + b_user + b_item[..., 0] + dot_product(user, item)
        return tf.cast(score, tf.float32)  # [B, C]
