"""Gated attention without a softmax over the last items.

Zhai et al.: "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers
for Generative Recommendations", ICML 2024, https://arxiv.org/abs/2402.17152, sections 3
and 4.1, in the form of their code
(https://github.com/facebookresearch/generative-recommenders).
Differs from the paper: the time of a position is that of its item, and not of the item
that follows, which is unknown when lists are made in advance; the softmax is over the
whole catalogue, as in https://github.com/NetEase-Media/HSTU-Tensorflow; a history
longer than L is cut into pieces for training.
Shapes: B batch, D embedding, L last items.
"""

from collections.abc import Mapping

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.sequence import HSTUConfig
from trainer_modules.layers.causal_model import AttentionModel
from trainer_modules.layers.sequential_transduction import SequentialTransductionUnit
from trainer_modules.layers.time_buckets import time_buckets
from trainer_modules.sizes import Sizes


class HSTU(AttentionModel):
    """score(u, i) = cos(s_u, M_i) / temperature, s_u the state after the last item."""

    def __init__(self, config: HSTUConfig, sizes: Sizes):
        dim, self.temperature = config.embedding_dim, config.temperature
        super().__init__(config, sizes, position_stddev=dim**-0.5)
        self.blocks = [
            SequentialTransductionUnit(
                dim, config.heads, self.length, config.dropout_rate, config.time_bias
            )
            for _ in range(config.blocks)
        ]

    def states(
        self, last: Mapping[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """Returns the state after each of the last items, [B, L, D]."""
        context = []
        if f.HISTORY_TIMESTAMP in self.reads:
            context = [time_buckets(last[f.HISTORY_TIMESTAMP])]  # [B, L, L]
        state = self.attended(last, training, *context)
        return _of_length_1(state) / self.temperature

    def items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the vectors [..., D] of items [...] as candidates, of length 1."""
        return _of_length_1(super().items(item_index))


def _of_length_1(vector: tf.Tensor) -> tf.Tensor:
    # In float32: the smallest square that it divides by is 0 in half precision.
    unit = tf.math.l2_normalize(tf.cast(vector, tf.float32), -1, epsilon=1e-12)
    return tf.cast(unit, vector.dtype)
