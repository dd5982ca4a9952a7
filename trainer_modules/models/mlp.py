"""A tower over user and item: the neural half of neural matrix factorisation.

He, Liao, Zhang, Nie, Hu, Chua: "Neural Collaborative Filtering", WWW 2017,
https://arxiv.org/abs/1708.05031, section 3.3, equation 10.
Differs from the paper: the first layer is applied to the user and to the item
separately and the results are added, the same sum with less work for many items per
user; the embeddings of a batch may decay, and dropout before each layer is possible.
Shapes: B batch, C candidates.
"""

import tensorflow as tf

from trainer_modules.configs.factorization import MLPConfig
from trainer_modules.layers.two_sided_tower import TwoSidedTower
from trainer_modules.sizes import Sizes


class MLP(tf.keras.Model):
    """score(u, i) = h^T ReLU(W_L(... ReLU(W_1 [p_u ; q_i] + b_1)) + b_L)."""

    def __init__(self, config: MLPConfig, sizes: Sizes):
        super().__init__()
        self.tower = TwoSidedTower.from_widths(
            sizes, config.hidden_units, config.dropout_rate, config.l2
        )

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        return self.tower(features, training=training)  # [B, C]
