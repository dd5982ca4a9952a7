"""The lists that an index of the items finds, in the order of the model.

Shapes: B users, H items left out, V items, N items found.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.item_index import NO_ROW, Found, ItemIndex
from trainer_modules.left_out import NEVER, left_out_until
from trainer_modules.protocols import RetrievesCandidates


def found_by(
    index: ItemIndex,
    model: tf.keras.Model,
    features: dict[str, tf.Tensor],
    left_out: tf.Tensor,
    num_found: tf.Tensor,
    is_listed: tf.Tensor | None = None,
) -> Found:
    """Returns the best items that an index finds for users.

    Args:
        index: The index of the model's items.
        model: Scores by products, or retrieves candidates by a model that does.
        features: Features of the users, [B, ...] each.
        left_out: Rows of the items that the lists lack, [B, H], padded with NO_ROW.
        num_found: N.
        is_listed: Whether each item may be listed, [V]; None if all may.
    """
    if not isinstance(model, RetrievesCandidates):
        users = tf.cast(model.users(features), tf.float32)
        return index.search(users, left_out, num_found, is_listed)
    # Items that are left out of this list alone may be candidates: a request that
    # excludes some has the list of one that does not, without these.
    history = tf.cast(features[f.HISTORY_ITEM_INDEX], tf.int32) - f.NUM_RESERVED
    row, retrieved, num_searched = index.search(
        tf.cast(model.retrieval.users(features), tf.float32),
        tf.where(left_out_until(features) == NEVER, history, NO_ROW),
        model.num_candidates + num_found + tf.shape(left_out)[1],
        is_listed,
    )
    num_candidates = model.num_candidates
    ranked, others = model.in_order(
        features,
        tf.maximum(row[:, :num_candidates], 0) + f.NUM_RESERVED,
        retrieved[:, :1],
        retrieved[:, num_candidates:],
    )
    is_out = tf.reduce_any(row[:, :, tf.newaxis] == left_out[:, tf.newaxis], 2)
    score = tf.concat([ranked, others], 1)
    score = tf.where(is_out | (row == NO_ROW), -float("inf"), score)
    top = tf.math.top_k(score, num_found)
    row = tf.gather(row, top.indices, batch_dims=1)
    row = tf.where(top.values > -float("inf"), row, NO_ROW)
    return Found(row, top.values, num_searched)
