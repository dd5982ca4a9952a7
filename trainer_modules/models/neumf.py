"""Neural matrix factorisation: a generalised product beside a tower, joined at the end.

He, Liao, Zhang, Nie, Hu, Chua: "Neural Collaborative Filtering", WWW 2017,
https://arxiv.org/abs/1708.05031, equations 8 to 12 and figure 3.
Differs from the paper: the first layer of the tower is applied to user and item apart
and added, which is the same sum with less work where many items meet one user.
Shapes: B batch, C candidates, D embedding, U the tower's widths.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs import NeuMFConfig


class NeuMF(tf.keras.Model):
    """score(u, i) = h^T [p_u * q_i ; ReLU(W_L(... ReLU(W_1 [p'_u ; q'_i] + b_1)))]."""

    def __init__(self, config: NeuMFConfig, num_users: int, num_items: int):
        super().__init__()

        def table(rows: int, dim: int) -> tf.keras.layers.Embedding:
            return tf.keras.layers.Embedding(
                rows,
                dim,
                embeddings_initializer=tf.keras.initializers.RandomNormal(stddev=0.01),
                embeddings_regularizer=tf.keras.regularizers.L2(config.l2),
            )

        first, *deeper = config.hidden_units[1:]
        self.gmf_user = table(num_users, config.embedding_dim)
        self.gmf_item = table(num_items, config.embedding_dim)
        self.mlp_user = table(num_users, config.hidden_units[0] // 2)
        self.mlp_item = table(num_items, config.hidden_units[0] // 2)
        self.first_user = tf.keras.layers.Dense(first, use_bias=False)
        self.first_item = tf.keras.layers.Dense(first)
        self.deeper = [tf.keras.layers.Dense(units, "relu") for units in deeper]
        self.prediction = tf.keras.layers.Dense(1, dtype=tf.float32)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        user = features[f.USER_INDEX][:, tf.newaxis]  # [B, 1]
        item = features[f.ITEM_INDEX]  # [B, C] or [1, C]
        product = self.gmf_user(user) * self.gmf_item(item)  # [B, C, D]
        tower = tf.nn.relu(
            self.first_user(self.mlp_user(user)) + self.first_item(self.mlp_item(item))
        )  # [B, C, U_1]
        for layer in self.deeper:
            tower = layer(tower)  # [B, C, U_l]
        return self.prediction(tf.concat([product, tower], -1))[..., 0]  # [B, C]
