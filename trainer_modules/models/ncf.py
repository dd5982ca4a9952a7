"""Neural matrix factorisation in RecLearn's form: one positive against a list.

He, Liao, Zhang, Nie, Hu, Chua: "Neural Collaborative Filtering", WWW 2017,
https://arxiv.org/abs/1708.05031, equations 8 to 12; in the form of Geng: RecLearn,
https://github.com/ZiyaoGeng/RecLearn, NCF.
Differs from the paper, as RecLearn does: the product passes through a sigmoid, the
vectors of both halves have the same length, and a positive weighs as much as all its
negatives (``losses.balanced_cross_entropy``). Beyond that, the tower's first layer is
applied to user and item separately, and the embeddings of a batch decay.
Shapes: B batch, C candidates, D embedding.
"""

import tensorflow as tf

from trainer_modules.configs.factorization import NCFConfig
from trainer_modules.layers.id_embeddings import IdEmbeddings
from trainer_modules.layers.two_sided_tower import TwoSidedTower
from trainer_modules.sizes import Sizes


class NCF(tf.keras.Model):
    """score(u, i) = h^T [sigmoid(p_u * q_i) ; ReLU(W_L(... [p'_u ; q'_i] ...))] + b."""

    def __init__(self, config: NCFConfig, sizes: Sizes):
        super().__init__()
        self.embeddings = IdEmbeddings(sizes, config.embedding_dim, l2=config.l2)
        self.prediction = tf.keras.layers.Dense(1, dtype=tf.float32)
        self.tower = TwoSidedTower(
            sizes,
            config.embedding_dim,
            config.hidden_units,
            config.dropout_rate,
            config.l2,
        )

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        user, item = self.embeddings(features, training=training)  # [B, D], [.., C, D]
        product = tf.sigmoid(user[:, tf.newaxis] * item)  # [B, C, D]
        product_score = self.prediction(product)[..., 0]  # [B, C]
        return product_score + self.tower(features, training=training)  # [B, C]
