"""A recurrent network over the last items, which shares its table with the candidates.

Hidasi, Karatzoglou, Baltrunas, Tikk: "Session-based Recommendations with Recurrent
Neural Networks", 2016, https://arxiv.org/abs/1511.06939, section 3, with constrained
embeddings as in Hidasi, Karatzoglou: "Recurrent Neural Networks with Top-k Gains for
Session-based Recommendations", 2018, https://arxiv.org/abs/1706.03847.
Differs from the papers: each user is one session, cut into pieces for training, instead
of sessions that take turns in a batch; the candidates are shared by a whole batch.
Shapes: B batch, D embedding, L last items.
"""

from collections.abc import Mapping

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.sequence import GRU4RecConfig
from trainer_modules.layers.causal_model import CausalModel
from trainer_modules.sizes import Sizes


class GRU4Rec(CausalModel):
    """score(u, i) = <s_u, M_i>, s_u a projection of the state after the last item.

    For an empty history, the state is 0, and s_u is the bias of the projection.
    """

    def __init__(self, config: GRU4RecConfig, sizes: Sizes):
        super().__init__(config, sizes)
        self.dropout = tf.keras.layers.Dropout(config.dropout_rate)
        # Not the layer GRU, whose kernel for a GPU a pushed model may not contain.
        self.recurrent = [
            tf.keras.layers.RNN(tf.keras.layers.GRUCell(units), return_sequences=True)
            for units in config.hidden_units
        ]
        self.projection = tf.keras.layers.Dense(config.embedding_dim)

    def states(
        self, last: Mapping[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """Returns the state after each of the last items, [B, L, D]."""
        history = last[f.HISTORY_ITEM_INDEX]
        is_real = history != f.PADDING_INDEX
        value = self.dropout(self.item(history), training=training)  # [B, L, D]
        for layer in self.recurrent:
            value = layer(value, mask=is_real)  # padding changes no state
        return self.projection(value)
