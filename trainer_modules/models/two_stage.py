"""A model retrieves candidates, and another one orders them.

Covington, Adams, Sargin: "Deep Neural Networks for YouTube Recommendations", RecSys
2016, https://research.google/pubs/pub45530/, section 2 and figure 2.
Differs from the paper: both stages are models of the registry; items that are not
candidates follow in the order of the retrieval, so that every item has a rank.
Shapes: B batch, C candidates that are scored, N candidates that are retrieved, I items
with a row, the unknown one first.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.two_stage import TwoStageConfig
from trainer_modules.left_out import NEVER, left_out_until
from trainer_modules.registry import parts_of
from trainer_modules.sizes import Sizes


class TwoStage(tf.keras.Model):
    """score(u, i) = ranking(u, i) if i is a candidate of u, or else less than those.

    The candidates are the N best items of the retrieval model, of those that may be on
    a list at some time: without the items that are left out for ever.
    """

    def __init__(self, config: TwoStageConfig, sizes: Sizes):
        super().__init__()
        self.num_items = sizes.num_items
        self.num_candidates = min(config.candidates, sizes.num_items - f.NUM_RESERVED)
        self.retrieval, self.ranking = (
            spec.load_class()(own, sizes) for spec, own in parts_of(config).values()
        )

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]: for a candidate, that of the ranking model."""
        catalogue = tf.range(f.UNKNOWN_INDEX, self.num_items)[tf.newaxis]  # [1, I]
        retrieved = self._scores(self.retrieval, features, catalogue)  # [B, I]
        candidates = self._candidates(features, retrieved)  # [B, N]
        ranked = self._scores(self.ranking, features, candidates)  # [B, N]
        # All others are behind the last candidate, as far as behind the best item.
        last = tf.reduce_min(ranked, 1, keepdims=True) - 1
        others = last - (tf.reduce_max(retrieved, 1, keepdims=True) - retrieved)
        score = _replaced(others, candidates - f.UNKNOWN_INDEX, ranked)  # [B, I]
        item = tf.maximum(features[f.ITEM_INDEX] - f.UNKNOWN_INDEX, 0)
        item = tf.broadcast_to(item, [tf.shape(score)[0], tf.shape(item)[1]])
        return tf.gather(score, item, batch_dims=1)  # [B, C]

    def _scores(
        self, part: tf.keras.Model, features: dict[str, tf.Tensor], items: tf.Tensor
    ) -> tf.Tensor:
        return tf.cast(part({**features, f.ITEM_INDEX: items}), tf.float32)

    def _candidates(
        self, features: dict[str, tf.Tensor], retrieved: tf.Tensor
    ) -> tf.Tensor:
        """Returns the indices [B, N] of the best items, given all scores [B, I]."""
        history = tf.cast(features[f.HISTORY_ITEM_INDEX], tf.int32)  # [B, H]
        is_out = (left_out_until(features) == NEVER) & (history >= f.NUM_RESERVED)
        cell = tf.where(is_out)
        place = tf.gather_nd(history, cell) - f.UNKNOWN_INDEX
        cell = tf.stack([cell[:, 0], tf.cast(place, tf.int64)], 1)
        out = tf.fill(tf.shape(cell)[:1], -float("inf"))
        possible = tf.tensor_scatter_nd_update(retrieved, cell, out)[:, 1:]
        return tf.math.top_k(possible, self.num_candidates).indices + f.NUM_RESERVED


def _replaced(scores: tf.Tensor, places: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
    """Returns scores [B, I] with new ones [B, N] at places [B, N]."""
    row = tf.range(tf.shape(places)[0])[:, tf.newaxis] + tf.zeros_like(places)
    return tf.tensor_scatter_nd_update(scores, tf.stack([row, places], 2), new)
