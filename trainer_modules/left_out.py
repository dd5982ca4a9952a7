"""Which items of a history a list leaves out, and until when.

The Evaluator, ``marquee batch`` and the server all run this code: it is part of the
exported model's graph, with the value of ``lists.recommend_again`` that it was trained
with.
"""

from collections.abc import Mapping

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.request_lists import fitted

AT_ONCE = 0  # recommended again after so many seconds
NEVER, ALWAYS = tf.int64.max, tf.int64.min  # a candidate from this time on, UTC


def again_from(
    history: tf.RaggedTensor, times: tf.RaggedTensor, again_after: int | None
) -> dict[str, tf.Tensor]:
    """Returns when items of histories may be recommended again.

    Args:
        history: Items of histories, [B, (H)].
        times: When the first of them were rated, [B, (M)], in seconds UTC; 0 if
            unknown.
        again_after: For how many seconds an item is left out; None for ever.

    Returns:
        ``history_again_from`` [B, H], in seconds UTC: never for an item without a time,
        such as one that is liked in the request. Nothing if no item ever is.
    """
    if again_after is None:
        return {}
    time = fitted(history, times, 0).to_tensor()
    if again_after == AT_ONCE:
        return {f.HISTORY_AGAIN_FROM: tf.fill(tf.shape(time), ALWAYS)}
    return {f.HISTORY_AGAIN_FROM: tf.where(time != 0, time + again_after, NEVER)}


def left_out_until(features: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns until when the items of histories are left out, [B, H], in seconds UTC.

    Without ``history_again_from``, that is for ever. With types of events, items that
    were only viewed or put into a cart are never left out: only those of judged events
    and disliked ones are. Of several rows of an item, the last such row counts.
    """
    history = features[f.HISTORY_ITEM_INDEX]
    is_out = history != f.PADDING_INDEX
    if f.HISTORY_LEFT_OUT in features:
        is_out &= features[f.HISTORY_LEFT_OUT] == 1
    until = features.get(f.HISTORY_AGAIN_FROM, NEVER)
    return tf.where(is_out, until, ALWAYS)
