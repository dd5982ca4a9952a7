"""A Transformer over the last items, which shares its table with the candidates.

Kang, McAuley: "Self-Attentive Sequential Recommendation", 2018,
https://arxiv.org/abs/1808.09781, section 3, with the softmax of Klenitskiy, Vasilev:
"Turning Dross Into Gold Loss: is BERT4Rec really better than SASRec?", 2023,
https://arxiv.org/abs/2309.07602.
Differs from the paper: the loss; GELU instead of ReLU; a history longer than L is cut
into pieces for training, instead of being truncated.
Shapes: B batch, D embedding, L last items.
"""

from collections.abc import Mapping

import tensorflow as tf

from trainer_modules.configs.sequence import SASRecConfig
from trainer_modules.layers.causal_model import AttentionModel
from trainer_modules.layers.causal_transformer import CausalTransformerBlock
from trainer_modules.sizes import Sizes


class SASRec(AttentionModel):
    """score(u, i) = <s_u, M_i>, s_u the state after the user's last item."""

    def __init__(self, config: SASRecConfig, sizes: Sizes):
        super().__init__(config, sizes, position_stddev=0.05)
        self.blocks = [
            CausalTransformerBlock(
                config.embedding_dim,
                config.heads,
                config.inner_dim,
                config.dropout_rate,
            )
            for _ in range(config.blocks)
        ]
        self.norm = tf.keras.layers.LayerNormalization(epsilon=1e-6)

    def states(
        self, last: Mapping[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """Returns the state after each of the last items, [B, L, D]."""
        return self.norm(self.attended(last, training))
