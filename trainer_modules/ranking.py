"""Where a target stands among everything its user has not seen."""

import tensorflow as tf

from trainer_modules import features as f

# Users x items scored at once: 128 MiB for a layer of 256 units.
MAX_SCORED_PAIRS = 1 << 17
NUM_RARE = 10  # items, the rarest with a row of their own: enough for a mean


def score_candidates(
    model: tf.keras.Model,
    features: dict[str, tf.Tensor],
    items: tf.Tensor,
    num_items: int,
) -> tf.Tensor:
    """Scores each user's candidates.

    Args:
        model: Scores [B, C] from features.
        features: Of the users, each [B, ...].
        items: [B, C] indices.
        num_items: V, the reserved ones included.

    Returns:
        [B, C]; an item without a row of its own scores as ``_no_better_than_rare``
        says.
    """
    rare = tf.range(num_items)[f.NUM_RESERVED :][-NUM_RARE:]  # [N]
    users, length = tf.shape(items)[0], tf.shape(items)[1]
    more = tf.tile(tf.cast(rare, items.dtype)[tf.newaxis, :], [users, 1])
    scores = model({**features, f.ITEM_INDEX: tf.concat([items, more], 1)})
    scores = tf.cast(scores, tf.float32)
    known, of_rare = scores[:, :length], scores[:, length:]
    unknown = _no_better_than_rare(known, of_rare)
    return tf.where(items == f.UNKNOWN_INDEX, unknown, known)


def _no_better_than_rare(unknown: tf.Tensor, of_rare: tf.Tensor) -> tf.Tensor:
    """What an item without a row of its own scores [B, C], given the rarest [B, N].

    All such items train one row, which thus knows how much they are liked together, as
    if it were one popular item. Of each of them nothing speaks for more than what the
    rarest items score that have a row, in the mean.
    """
    if of_rare.shape[1] == 0:
        return unknown
    return tf.minimum(unknown, tf.reduce_mean(of_rare, 1, keepdims=True))


def score_unseen(
    model: tf.keras.Model, features: dict[str, tf.Tensor], num_items: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Scores for each user every item with an id, and the unknown one.

    Returns:
        Scores [B, V - NUM_RESERVED], True there where the user has not seen the item,
        and the unknown item's score [B].
    """
    catalogue = tf.range(f.UNKNOWN_INDEX, num_items)[tf.newaxis, :]
    scores = tf.cast(model({**features, f.ITEM_INDEX: catalogue}), tf.float32)
    history = tf.cast(features[f.HISTORY_ITEM_INDEX], tf.int32)  # [B, H]
    row = tf.range(tf.shape(history)[0])[:, tf.newaxis] + tf.zeros_like(history)
    times_seen = tf.scatter_nd(
        tf.reshape(tf.stack([row, history], -1), [-1, 2]),
        tf.ones([tf.size(history)], tf.int32),
        [tf.shape(history)[0], num_items],
    )
    known = scores[:, 1:]  # by falling frequency: the rarest are the last
    unknown = _no_better_than_rare(scores[:, :1], known[:, -NUM_RARE:])
    return known, times_seen[:, f.NUM_RESERVED :] == 0, unknown[:, 0]


def rank_targets(
    model: tf.keras.Model,
    features: dict[str, tf.Tensor],
    targets: tf.Tensor,
    num_items: int,
    num_unknown_items: int,
    num_top: int,
) -> dict[str, tf.Tensor]:
    """Ranks each target among the items that its user has not seen.

    Ties and scores that are not numbers count against the target. Items without an id
    of their own, too rare or too new, are candidates like others: all of them have the
    score of the unknown row, or what the rarest others have if that is less.

    Args:
        model: Scores [B, C] from features.
        features: Of the users, each [B, ...]; ``history_item_index`` is padded with 0.
        targets: [B, T] item indices, padded with 0.
        num_items: V, the reserved ones included.
        num_unknown_items: Items of the catalogue without an id of their own.
        num_top: How many of the best items to return.

    Returns:
        ``score`` and ``rank`` [B, T] (from 1; both 0 for padding), ``num_candidates``
        [B] and ``top_item`` [B, min(num_top, V - NUM_RESERVED)] (indices).
    """
    num_users = tf.shape(targets)[0]
    block_size = tf.minimum(max(1, MAX_SCORED_PAIRS // num_items), num_users)

    def rank_block(start: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.minimum(tf.range(start, start + block_size), num_users - 1)
        return _rank_rows(
            model,
            {name: tf.gather(value, rows) for name, value in features.items()},
            tf.gather(targets, rows),
            num_items,
            num_unknown_items,
            num_top,
        )

    blocks = tf.map_fn(
        rank_block,
        tf.range(0, num_users, tf.maximum(block_size, 1)),
        fn_output_signature={
            "score": tf.float32,
            "rank": tf.int64,
            "num_candidates": tf.int64,
            "top_item": tf.int32,
        },
        parallel_iterations=1,
    )
    return {
        name: tf.reshape(value, tf.concat([[-1], tf.shape(value)[2:]], 0))[:num_users]
        for name, value in blocks.items()
    }


def _rank_rows(
    model: tf.keras.Model,
    features: dict[str, tf.Tensor],
    targets: tf.Tensor,
    num_items: int,
    num_unknown_items: int,
    num_top: int,
) -> dict[str, tf.Tensor]:
    scores, unseen, unknown_score = score_unseen(model, features, num_items)
    history = features[f.HISTORY_ITEM_INDEX]
    unknown_seen = tf.math.count_nonzero(history == f.UNKNOWN_INDEX, 1)
    unknown_left = tf.maximum(num_unknown_items - unknown_seen, 0)  # [B]

    cells = tf.where(targets != f.PADDING_INDEX)  # [N, 2] the real targets
    row, target = cells[:, 0], tf.cast(tf.gather_nd(targets, cells), tf.int64)
    is_unknown = target == f.UNKNOWN_INDEX
    place = tf.stack([row, tf.maximum(target - f.NUM_RESERVED, 0)], 1)
    # Not scored anew: another shape rounds differently, and a target may then seem to
    # be ahead of itself.
    score = tf.where(
        is_unknown, tf.gather(unknown_score, row), tf.gather_nd(scores, place)
    )
    target_score = tf.where(tf.math.is_nan(score), -float("inf"), score)

    num_unseen = tf.math.count_nonzero(unseen, 1)  # [B]

    def num_not_behind(row_and_score: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        row, score = row_and_score
        # Counted apart: a graph makes >= of "not <", which is another thing of a NaN.
        behind = tf.math.count_nonzero(unseen[row] & (scores[row] < score))
        known = num_unseen[row] - behind
        is_behind = unknown_score[row] < score
        return known + tf.where(is_behind, tf.zeros([], tf.int64), unknown_left[row])

    # A target is not behind itself, so that the count is its rank; but for one that is
    # no candidate: seen before, or without an id and not counted in the catalogue.
    rank = tf.map_fn(num_not_behind, (row, target_score), fn_output_signature=tf.int64)
    is_candidate = tf.where(
        is_unknown, tf.gather(unknown_left, row) > 0, tf.gather_nd(unseen, place)
    )
    rank += tf.cast(~is_candidate, tf.int64)
    top = tf.math.top_k(
        tf.where(unseen, scores, -float("inf")),
        tf.minimum(num_top, num_items - f.NUM_RESERVED),
    )
    return {
        "score": tf.scatter_nd(cells, score, tf.shape(targets, tf.int64)),
        "rank": tf.scatter_nd(cells, rank, tf.shape(targets, tf.int64)),
        "num_candidates": num_unseen + unknown_left,
        "top_item": top.indices + f.NUM_RESERVED,
    }
