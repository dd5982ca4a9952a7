"""A Transformer over the last items, which shares its table with the candidates.

Kang, McAuley: "Self-Attentive Sequential Recommendation", 2018,
https://arxiv.org/abs/1808.09781, section 3, with the softmax of Klenitskiy, Vasilev:
"Turning Dross Into Gold Loss: is BERT4Rec really better than SASRec?", 2023,
https://arxiv.org/abs/2309.07602.
Differs from the paper: the loss; GELU instead of ReLU; a history longer than L is cut
into pieces for training, instead of being truncated.
Shapes: B batch, D embedding, L last items.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.sequence import SASRecConfig
from trainer_modules.layers.causal_model import CausalModel
from trainer_modules.layers.causal_transformer import CausalTransformerBlock
from trainer_modules.sizes import Sizes


class SASRec(CausalModel):
    """score(u, i) = <s_u, M_i>, s_u the state after the user's last item."""

    def __init__(self, config: SASRecConfig, sizes: Sizes):
        super().__init__(config, sizes)
        dim = config.embedding_dim
        self.root = dim**0.5
        self.position = self.add_weight(
            "position", [self.length, dim], initializer="random_normal"
        )  # P
        self.dropout = tf.keras.layers.Dropout(config.dropout_rate)
        self.blocks = [
            CausalTransformerBlock(
                dim, config.heads, config.inner_dim, config.dropout_rate
            )
            for _ in range(config.blocks)
        ]
        self.norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)

    def states(self, history: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the state after each item: [B, L, D] for indices [B, L]."""
        is_real = history != f.PADDING_INDEX
        value = self.item(history) * self.root
        value += tf.cast(self.position, value.dtype)
        value = self.dropout(value, training=training)
        for block in self.blocks:
            value = block(value, is_real, training=training)
        return self.norm(value)
