"""What all models share that have a state after each item of a history."""

from collections.abc import Mapping

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.sequence import AttentionConfig, CausalConfig
from trainer_modules.layers.dot_product import dot_product
from trainer_modules.layers.last_items import last_values
from trainer_modules.layers.vector_table import VectorTable
from trainer_modules.sizes import Sizes

# Standard deviation of the items' vectors, as in the public code of all three models.
# From vectors of length 1, sasrec on MovieLens 100K needs three times the epochs, and
# ends with an nDCG of .238 instead of .247 on the eval split.
INITIAL_STDDEV = 0.02


class CausalModel(tf.keras.Model):
    """score(u, i) = <s_u, M_i>, s_u the state after the user's last item.

    The table M serves both the history and the candidates. A subclass computes the
    states, and so implements ``protocols.Causal``.

    Attributes:
        length: L, the number of last items that are read.
        reads: The features of the last items that the states depend on.
        item: M, the table of items.
    """

    def __init__(self, config: CausalConfig, sizes: Sizes):
        super().__init__()
        self.length = config.max_history_length
        self.reads: tuple[str, ...] = (f.HISTORY_ITEM_INDEX,)
        if config.reads_times:
            self.reads += (f.HISTORY_TIMESTAMP,)
        self.item = VectorTable("item", sizes, config.embedding_dim, INITIAL_STDDEV)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]."""
        user = self.users(features, training)  # [B, D]
        item = self.items(features[f.ITEM_INDEX])  # [B, C, D] or [1, C, D]
        return tf.cast(dot_product(user, item), tf.float32)

    def users(
        self, features: dict[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """Returns the state after each user's last item, [B, D]."""
        history = features[f.HISTORY_ITEM_INDEX]  # [B, H]
        last = {
            name: last_values(history, features[name], self.length)  # [B, L]
            for name in self.reads
        }
        return self.states(last, training)[:, -1]

    def items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the vectors [..., D] of items [...] as candidates."""
        return self.item(item_index)


class AttentionModel(CausalModel):
    """A causal model whose blocks of attention read items and their positions.

    Attributes:
        position: P, a vector for each position.
        blocks: Layers of vectors [B, L, D] and of which are real, [B, L], that return
            vectors of the same shape; a subclass sets them.
    """

    blocks: list[tf.keras.layers.Layer]

    def __init__(self, config: AttentionConfig, sizes: Sizes, position_stddev: float):
        super().__init__(config, sizes)
        self.root = config.embedding_dim**0.5
        self.position = self.add_weight(
            "position",
            [self.length, config.embedding_dim],
            initializer=tf.keras.initializers.RandomNormal(stddev=position_stddev),
        )
        self.dropout = tf.keras.layers.Dropout(config.dropout_rate)

    def attended(
        self, last: Mapping[str, tf.Tensor], training: bool, *context: tf.Tensor
    ) -> tf.Tensor:
        """Returns what the last block makes of the last items, [B, L, D].

        Args:
            last: Indices of the last items, [B, L].
            training: Whether to apply dropout.
            context: What all blocks are given besides.
        """
        history = last[f.HISTORY_ITEM_INDEX]
        is_real = history != f.PADDING_INDEX
        value = self.item(history) * self.root
        value += tf.cast(self.position, value.dtype)
        value = self.dropout(value, training=training)
        for block in self.blocks:
            value = block(value, is_real, *context, training=training)
        return value
