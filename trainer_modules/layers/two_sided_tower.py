"""A tower over a user's and an item's vector that shares work between items."""

from collections.abc import Sequence

import tensorflow as tf

from trainer_modules.layers.id_embeddings import IdEmbeddings
from trainer_modules.layers.tower import Tower
from trainer_modules.sizes import Sizes


class TwoSidedTower(tf.keras.Model):
    """score(u, i) = h^T ReLU(W_L(... ReLU(W_1 [p_u ; q_i] + b_1)) + b_L).

    He et al. 2017 (https://arxiv.org/abs/1708.05031), equation 10. The first layer is
    applied to the user and to the item separately and the results are added: the same
    sum, for which each user and each shared candidate is multiplied only once.
    """

    def __init__(
        self,
        sizes: Sizes,
        dim: int,
        hidden_units: Sequence[int],
        dropout_rate: float = 0.0,
        l2: float = 0.0,
    ):
        """Makes the layers.

        Args:
            sizes: Number of users and items.
            dim: Length of a user's and of an item's vector.
            hidden_units: U_1, ..., U_L, width of each layer.
            dropout_rate: Share of each layer's inputs that training drops.
            l2: Strength of the weight decay of the vectors.
        """
        super().__init__()
        self.embeddings = IdEmbeddings(sizes, dim, l2=l2)
        self.dropout = tf.keras.layers.Dropout(dropout_rate)
        self.first_user = tf.keras.layers.Dense(hidden_units[0], use_bias=False)
        self.first_item = tf.keras.layers.Dense(hidden_units[0])
        self.deeper = Tower(hidden_units[1:], dropout_rate=dropout_rate)
        self.h = tf.keras.layers.Dense(1, use_bias=False, dtype=tf.float32)

    @classmethod
    def from_widths(
        cls, sizes: Sizes, widths: Sequence[int], dropout_rate: float, l2: float
    ) -> "TwoSidedTower":
        """Makes a tower from all of its widths, as the paper counts them.

        The first is the width of the input: of both vectors together.
        """
        return cls(sizes, widths[0] // 2, widths[1:], dropout_rate, l2)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C] of users [B] with candidates [B, C] or [1, C]."""
        user, item = self.embeddings(features, training=training)
        user = self.first_user(self.dropout(user, training=training))  # [B, U_1]
        item = self.first_item(self.dropout(item, training=training))  # [.., C, U_1]
        hidden = tf.nn.relu(user[:, tf.newaxis] + item)  # [B, C, U_1]
        hidden = self.deeper(hidden, training=training)  # [B, C, U_L]
        return self.h(hidden)[..., 0]  # [B, C]

    def scale(self, factor: float) -> None:
        """Multiplies all future scores by a factor."""
        self.h.kernel.assign(factor * self.h.kernel)
