"""A model retrieves candidates, and another one orders them.

Covington, Adams, Sargin: "Deep Neural Networks for YouTube Recommendations", RecSys
2016, https://research.google/pubs/pub45530/, section 2 and figure 2.
Differs from the paper: both stages are models of the registry; items that are not
candidates follow in the order of the retrieval, so that every item has a rank.
Shapes: B batch, C items to score, N candidates, I items and the unknown one.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.two_stage import TwoStageConfig
from trainer_modules.left_out import NEVER, left_out_until
from trainer_modules.registry import parts_of
from trainer_modules.sizes import Sizes


class TwoStage(tf.keras.Model):
    """score(u, i) = ranking(u, i) if i is a candidate of u, or else less than those.

    The candidates are the N best items of the retrieval model among those that the user
    may be recommended at some time, whatever a request excludes.
    """

    def __init__(self, config: TwoStageConfig, sizes: Sizes):
        super().__init__()
        self.num_items = sizes.num_items
        self.num_candidates = min(config.candidates, sizes.num_items - f.NUM_RESERVED)
        parts = parts_of(config).values()
        self.retrieval, self.ranking = (m.load_class()(own, sizes) for m, own in parts)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]: for a candidate, that of the ranking model."""
        catalogue = tf.range(f.UNKNOWN_INDEX, self.num_items)[tf.newaxis]  # [1, I]
        retrieved = _scores(self.retrieval, features, catalogue)  # [B, I]
        possible = _without_left_out(retrieved, features)[:, 1:]  # [B, I - 1]
        possible = tf.where(features.get(f.IS_LISTED, True), possible, -float("inf"))
        best = tf.math.top_k(possible, self.num_candidates)
        candidates = best.indices + f.NUM_RESERVED  # [B, N]
        first = best.values[:, :1]  # [B, 1]
        ranked, others = self.in_order(features, candidates, first, retrieved)
        score = _replaced(others, candidates - f.UNKNOWN_INDEX, ranked)  # [B, I]
        place = tf.maximum(features[f.ITEM_INDEX] - f.UNKNOWN_INDEX, 0)
        place = tf.broadcast_to(place, [tf.shape(score)[0], tf.shape(place)[1]])
        return tf.gather(score, place, batch_dims=1)  # [B, C]

    def in_order(
        self,
        features: dict[str, tf.Tensor],
        candidates: tf.Tensor,
        best: tf.Tensor,
        others: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores [B, N] and [B, M], others as far behind as in retrieval."""
        ranked = _scores(self.ranking, features, candidates)
        last = tf.reduce_min(ranked, 1, keepdims=True)
        return ranked, last - 1 - tf.maximum(best - others, 0)


def _scores(
    part: tf.keras.Model, features: dict[str, tf.Tensor], items: tf.Tensor
) -> tf.Tensor:
    return tf.cast(part({**features, f.ITEM_INDEX: items}), tf.float32)


def _without_left_out(scores: tf.Tensor, features: dict[str, tf.Tensor]) -> tf.Tensor:
    """Returns scores [B, I], -inf for items that are left out of lists for ever."""
    history = tf.cast(features[f.HISTORY_ITEM_INDEX], tf.int32)  # [B, H]
    is_out = (left_out_until(features) == NEVER) & (history >= f.NUM_RESERVED)
    row, place = tf.where(is_out)[:, 0], tf.boolean_mask(history, is_out)
    cells = tf.stack([tf.cast(row, tf.int32), place - f.UNKNOWN_INDEX], 1)
    nothing = tf.fill(tf.shape(place), -float("inf"))
    return tf.tensor_scatter_nd_update(scores, cells, nothing)


def _replaced(scores: tf.Tensor, places: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
    """Returns scores [B, I] with new ones [B, N] at places [B, N]."""
    row = tf.range(tf.shape(places)[0])[:, tf.newaxis] + tf.zeros_like(places)
    return tf.tensor_scatter_nd_update(scores, tf.stack([row, places], 2), new)
