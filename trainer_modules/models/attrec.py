"""Short-term taste by self-attention over the last items, long-term taste by factors.

Zhang, Tay, Yao, Sun: "Next Item Recommendation with Self-Attention", 2018,
https://arxiv.org/abs/1808.06414, equations 2 to 10 and figure 1.
Differs from the paper: ``inner`` scores by inner products, while ``dist`` uses the
paper's distances; a history of fewer than L items is padded and masked, and a lone item
attends to itself; dropout is applied to the embeddings of the last items.
Shapes: B batch, C candidates, D embedding, L last items.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.sequence import AttRecConfig
from trainer_modules.layers.dot_product import dot_product
from trainer_modules.layers.last_items import last_items
from trainer_modules.layers.mean_self_attention import MeanSelfAttention
from trainer_modules.layers.squared_distance import negative_squared_distance
from trainer_modules.layers.vector_table import VectorTable
from trainer_modules.sizes import Sizes, Vocabulary


class AttRec(tf.keras.Model):
    """score(u, i) = w <U_u, V_i> + (1 - w) <m_u, X_i>, m_u the attention's mean.

    With ``mode: dist``, -w |U_u - V_i|^2 - (1 - w) |m_u - X_i|^2 (equation 10).
    """

    def __init__(self, config: AttRecConfig, sizes: Sizes):
        super().__init__()
        dim, self.length = config.embedding_dim, config.max_history_length
        is_inner = config.mode == "inner"

        # Distances between vectors of any length mean nothing (section 3.3).
        bound = None if is_inner else tf.keras.constraints.MaxNorm(1.0, axis=1)

        def table(vocabulary: Vocabulary) -> tf.keras.layers.Layer:
            return VectorTable(vocabulary, sizes, dim, 0.01, bound)

        self.short_item = table("item")  # X
        self.dropout = tf.keras.layers.Dropout(config.dropout_rate)
        self.attention = MeanSelfAttention(self.length, dim)
        self.user = table("user")  # U
        self.long_item = table("item")  # V
        # Both sides of a product, or of a squared difference, get the root of w.
        self.long_root = config.long_term_weight**0.5
        self.short_root = (1 - config.long_term_weight) ** 0.5
        self.compare = dot_product if is_inner else negative_squared_distance

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]; for an empty history m_u is 0."""
        last = last_items(features[f.HISTORY_ITEM_INDEX], self.length)  # [B, L]
        value = self.dropout(self.short_item(last), training=training)  # [B, L, D]
        short = self.attention(value, last != f.PADDING_INDEX)  # [B, D]
        long = self.user(features[f.USER_INDEX])  # [B, D]
        user = tf.concat([self.long_root * long, self.short_root * short], -1)
        index = features[f.ITEM_INDEX]  # [B, C] or [1, C]
        long, short = self.long_item(index), self.short_item(index)
        item = tf.concat([self.long_root * long, self.short_root * short], -1)
        score = self.compare(user, item)  # [B, 2D], [B or 1, C, 2D] -> [B, C]
        return tf.cast(score, tf.float32)
