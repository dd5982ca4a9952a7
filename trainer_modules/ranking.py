"""Ranks targets among everything that may be on their user's list."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.left_out import ALWAYS, NEVER, left_out_until
from trainer_modules.list_rules import ListRules
from trainer_modules.target_contexts import TargetContexts

# A model: returns scores [B, C] for features.
Scorer = Callable[[dict[str, tf.Tensor]], tf.Tensor]

# Pairs of users and items scored at once: 128 MiB for a layer of 256 units.
MAX_SCORED_PAIRS = 1 << 17
NUM_RARE = 10  # how many of the rarest known items bound an unknown item's score

_RANKED = {  # what ``rank_targets`` returns
    "score": tf.float32,
    "rank": tf.int64,
    "num_candidates": tf.int64,
    "top_item": tf.int32,
}


class Candidates(NamedTuple):
    """What may be on lists.

    Attributes:
        num_items: V, number of items with an index of their own, reserved ones too.
        num_others: How many items of the catalogue have none.
        rules: What lists may contain, and in which order; None without rules.
    """

    num_items: int
    num_others: int = 0
    rules: ListRules | None = None


def score_candidates(
    model: Scorer,
    features: dict[str, tf.Tensor],
    items: tf.Tensor,
    num_items: int,
) -> tf.Tensor:
    """Returns the scores of each user's candidates.

    Args:
        model: Returns scores [B, C] for features.
        features: Features of the users, [B, ...] each.
        items: Indices of the candidates, [B, C].
        num_items: V, including the reserved rows.

    Returns:
        Scores, [B, C]; items without a row of their own score as described in
        ``_no_better_than_rare``.
    """
    rare = tf.range(num_items)[f.NUM_RESERVED :][-NUM_RARE:]  # [N]
    users, length = tf.shape(items)[0], tf.shape(items)[1]
    more = tf.tile(tf.cast(rare, items.dtype)[tf.newaxis, :], [users, 1])
    scores = model({**features, f.ITEM_INDEX: tf.concat([items, more], 1)})
    scores = tf.cast(scores, tf.float32)
    known, rare_scores = scores[:, :length], scores[:, length:]
    unknown = _no_better_than_rare(known, rare_scores)
    return tf.where(items == f.UNKNOWN_INDEX, unknown, known)


def score_targets(
    model: Scorer,
    features: dict[str, tf.Tensor],
    targets: tf.Tensor,
    num_items: int,
) -> tf.Tensor:
    """Returns the scores of targets, each in its own context.

    Args:
        model: Returns scores [B, C] for features.
        features: As those of ``rank_targets``.
        targets: Indices of the targets, [B, T], padded with 0.
        num_items: V, including the reserved rows.

    Returns:
        Scores as those of ``score_candidates``, [B, T].
    """
    if f.CONTEXT not in features:
        return score_candidates(model, features, targets, num_items)
    apart = TargetContexts.split(features, targets)
    scores = score_candidates(model, apart.features, apart.targets, num_items)
    return apart.of_targets(scores)


def _no_better_than_rare(unknown: tf.Tensor, rare: tf.Tensor) -> tf.Tensor:
    """Bounds the scores of items that do not have a row of their own.

    All such items share one row, which learns how much they are liked together, as if
    they were one popular item. Nothing suggests that any of them is better than the
    rarest items that have a row, so their mean score is the upper bound.

    Args:
        unknown: Scores of the shared row, [B, C].
        rare: Scores of the rarest items with a row, [B, N]; N may be 0.

    Returns:
        Bounded scores, [B, C].
    """
    if rare.shape[1] == 0:
        return unknown
    return tf.minimum(unknown, tf.reduce_mean(rare, 1, keepdims=True))


def score_all(
    model: Scorer, features: dict[str, tf.Tensor], candidates: Candidates
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Scores every item with a row of its own, and the unknown item, for each user.

    Args:
        model: Returns scores [B, C] for features.
        features: Features of the users, [B, ...] each. ``excluded_item_index`` [B, X],
            padded with 0, has the items that a request excludes.
        candidates: What may be on lists.

    Returns:
        Scores [B, V - NUM_RESERVED]; until when the user's lists leave each item out,
        of the same shape, in seconds UTC; and the unknown item's score [B].
    """
    num_items = candidates.num_items
    catalogue = tf.range(f.UNKNOWN_INDEX, num_items)[tf.newaxis, :]
    scores = tf.cast(model({**features, f.ITEM_INDEX: catalogue}), tf.float32)
    out = tf.cast(features[f.HISTORY_ITEM_INDEX], tf.int32)  # [B, H]
    out_until = left_out_until(features)
    if f.EXCLUDED_ITEM_INDEX in features:
        excluded = tf.cast(features[f.EXCLUDED_ITEM_INDEX], tf.int32)
        out = tf.concat([out, excluded], 1)
        out_until = tf.concat([out_until, tf.fill(tf.shape(excluded), NEVER)], 1)
    row = tf.range(tf.shape(out)[0])[:, tf.newaxis] + tf.zeros_like(out)
    until = tf.tensor_scatter_nd_max(
        tf.fill([tf.shape(out)[0], num_items], ALWAYS),
        tf.reshape(tf.stack([row, out], -1), [-1, 2]),
        tf.reshape(out_until, [-1]),
    )
    known = scores[:, 1:]  # ordered by falling frequency: the rarest are last
    unknown = _no_better_than_rare(scores[:, :1], known[:, -NUM_RARE:])
    until = until[:, f.NUM_RESERVED :]
    if candidates.rules:
        until = tf.where(candidates.rules.is_listed, until, NEVER)
    return known, until, unknown[:, 0]


def best(
    model: Scorer,
    features: dict[str, tf.Tensor],
    time: tf.Tensor,
    candidates: Candidates,
    k: tf.Tensor,
    passes: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores all items with a row of their own, and returns the list of each user.

    Args:
        model: Returns scores [B, C] for features.
        features: Features of the users, [B, ...] each.
        time: When the lists are made, [B], in seconds UTC.
        candidates: What may be on lists.
        k: How many items to return.
        passes: Which items may be on each list, [B, V - NUM_RESERVED]; None for all.

    Returns:
        Their places after the reserved rows, and their scores, [B, k] each, best first
        or as the rules order them; the score of an item that is not listed is -inf.
    """
    scores, until, _ = score_all(model, features, candidates)
    is_in = until <= time[:, tf.newaxis]
    if passes is not None:
        is_in &= passes
    return _listed(scores, is_in, candidates.rules, k)


def _listed(
    scores: tf.Tensor, is_in: tf.Tensor, rules: ListRules | None, k: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the lists of users, as ``best`` does.

    Args:
        scores: Scores of all items with a row of their own, [B, V - NUM_RESERVED].
        is_in: Whether each of them may be on the list, of the same shape.
        rules: The rules of lists.
        k: How many items to return.
    """
    scores = tf.where(is_in, scores, -float("inf"))
    if not (rules and rules.has_order):
        top = tf.math.top_k(scores, k)
        return top.indices, top.values
    top = tf.math.top_k(scores, tf.maximum(k, rules.pool))
    row, score = rules.listed(top.indices, top.values)
    return row[:, :k], score[:, :k]


def rank_targets(
    model: Scorer,
    features: dict[str, tf.Tensor],
    targets: tf.Tensor,
    candidates: Candidates,
    num_top: int,
) -> dict[str, tf.Tensor]:
    """Ranks each target among the items that may be on its user's list by then.

    Ties and scores that are NaN count against the target. Items without a row of their
    own, because they are too rare or too new, are candidates too; their score is that
    of ``_no_better_than_rare``.

    With rules, the rank of an item that the list has among its first ones, which the
    rules order, is its place. What the rules never list is behind all candidates.

    Args:
        model: Returns scores [B, C] for features.
        features: Features of the users, [B, ...] each; histories are padded with 0.
            ``timestamp`` [B, T] has the times of the targets, in seconds UTC; without
            it, items are left out of lists for ever, or not at all. ``context``
            [B, T, K] has the contexts of the targets if the model reads them; then each
            target is ranked among the items as scored in its own context.
        targets: Indices of the targets, [B, T], padded with 0.
        candidates: What may be on lists.
        num_top: How many of the best items to return.

    Returns:
        ``score`` and ``rank`` [B, T] (from 1; both are 0 for padding),
        ``num_candidates`` [B] by the time of the newest target, and ``top_item``
        [B, min(num_top, V - NUM_RESERVED)] at the time of the first one, as it is
        served; with rules, a shorter list is padded with 0.
    """
    if f.CONTEXT not in features:
        return _rank_users(model, features, targets, candidates, num_top)
    apart = TargetContexts.split(features, targets)
    ranked = _rank_users(model, apart.features, apart.targets, candidates, num_top)
    return {
        "score": apart.of_targets(ranked["score"]),
        "rank": apart.of_targets(ranked["rank"]),
        "num_candidates": apart.largest(ranked["num_candidates"]),
        "top_item": apart.of_first(ranked["top_item"]),
    }


def _rank_users(
    model: Scorer,
    features: dict[str, tf.Tensor],
    targets: tf.Tensor,
    candidates: Candidates,
    num_top: int,
) -> dict[str, tf.Tensor]:
    """Ranks targets of users, a block of users after the other."""
    num_users = tf.shape(targets)[0]
    block_size = tf.minimum(max(1, MAX_SCORED_PAIRS // candidates.num_items), num_users)

    def rank_block(start: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.minimum(tf.range(start, start + block_size), num_users - 1)
        return _rank_rows(
            model,
            {name: tf.gather(value, rows) for name, value in features.items()},
            tf.gather(targets, rows),
            candidates,
            num_top,
        )

    blocks = tf.map_fn(
        rank_block,
        tf.range(0, num_users, tf.maximum(block_size, 1)),
        fn_output_signature=_RANKED,
        parallel_iterations=1,
    )
    return {
        name: tf.reshape(value, tf.concat([[-1], tf.shape(value)[2:]], 0))[:num_users]
        for name, value in blocks.items()
    }


def _rank_rows(
    model: Scorer,
    features: dict[str, tf.Tensor],
    targets: tf.Tensor,
    candidates: Candidates,
    num_top: int,
) -> dict[str, tf.Tensor]:
    times = features.get(f.TIMESTAMP, tf.zeros_like(targets, tf.int64))  # [B, T]
    scores, until, unknown_score = score_all(model, features, candidates)
    is_unknown = features[f.HISTORY_ITEM_INDEX] == f.UNKNOWN_INDEX
    unknown_until = tf.where(is_unknown, left_out_until(features), ALWAYS)  # [B, H]
    scored = _Scored(scores, until, unknown_score, unknown_until, candidates.num_others)

    cells = tf.where(targets != f.PADDING_INDEX)  # [N, 2] the real targets
    row, target = cells[:, 0], tf.cast(tf.gather_nd(targets, cells), tf.int64)
    place = tf.maximum(target - f.NUM_RESERVED, 0)
    # Not scored again: another shape rounds differently, and a target might then seem
    # to be ahead of itself.
    score = tf.where(
        target == f.UNKNOWN_INDEX,
        tf.gather(unknown_score, row),
        tf.gather_nd(scores, tf.stack([row, place], 1)),
    )
    time = tf.gather_nd(times, cells)
    ranks = scored.ranks(row, target, score, time)
    # As when the user came: at the time of the first target.
    first = tf.pad(times, [[0, 0], [0, 1]])[:, 0]
    num_top = min(num_top, candidates.num_items - f.NUM_RESERVED)
    rules, rank = candidates.rules, ranks.rank
    if rules:
        lists = _Lists(scored, rules, tf.range(tf.shape(first)[0]), first, num_top)
        top, of_target = lists.top_item, row
        if rules.has_order and f.HISTORY_AGAIN_FROM in features:
            # They differ from target to target.
            lists = _Lists(scored, rules, row, time, num_top)
            of_target = tf.range(tf.shape(row)[0])
        rank = lists.ranks(of_target, target, ranks)
    else:
        is_in = until <= first[:, tf.newaxis]
        top = _listed(scores, is_in, None, num_top)[0] + f.NUM_RESERVED
    return {
        "score": tf.scatter_nd(cells, score, tf.shape(targets, tf.int64)),
        "rank": tf.scatter_nd(cells, rank, tf.shape(targets, tf.int64)),
        "num_candidates": scored.num_candidates(tf.reduce_max(times, 1)),
        "top_item": top,
    }


class _Ranks(NamedTuple):
    """Ranks of N targets by score.

    Attributes:
        rank: The ranks, from 1.
        others_ahead: How many items without a row of their own are ahead of each.
        last: The rank of what is behind all candidates.
    """

    rank: tf.Tensor
    others_ahead: tf.Tensor
    last: tf.Tensor


class _Scored:
    """The scores of all items for B users, in which targets are ranked."""

    def __init__(
        self,
        scores: tf.Tensor,
        until: tf.Tensor,
        unknown_score: tf.Tensor,
        unknown_until: tf.Tensor,
        num_unknown_items: int,
    ):
        """Keeps the scores.

        Args:
            scores: Scores of the items with a row of their own, [B, V - NUM_RESERVED].
            until: Until when the user's lists leave each of them out, of the same
                shape.
            unknown_score: Score of every other item, [B].
            unknown_until: Until when they leave out each of the other items in the
                user's history, [B, H]; always a candidate for the rest of H.
            num_unknown_items: How many other items there are.
        """
        self.scores, self.until = scores, until
        self.unknown_score, self.unknown_until = unknown_score, unknown_until
        self.num_unknown_items = num_unknown_items

    def num_candidates(self, time: tf.Tensor) -> tf.Tensor:
        """Returns how many items may be on each user's list at a time [B]."""
        time = time[:, tf.newaxis]
        num_out = tf.math.count_nonzero(self.unknown_until > time, 1)
        left = tf.maximum(self.num_unknown_items - num_out, 0)
        return tf.math.count_nonzero(self.until <= time, 1) + left

    def ranks(
        self, row: tf.Tensor, target: tf.Tensor, score: tf.Tensor, time: tf.Tensor
    ) -> _Ranks:
        """Returns the ranks of N targets, given the row, score and time of each.

        A target is not behind itself, so the count of items that are not behind it is
        its rank. One more is added for a target that is not a candidate: one that is
        left out, or without a row and not counted in the catalogue.
        """
        score = tf.where(tf.math.is_nan(score), -float("inf"), score)
        return tf.map_fn(
            self._rank,
            (row, target, score, time),
            fn_output_signature=_Ranks(tf.int64, tf.int64, tf.int64),
        )

    def _rank(self, one: tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]) -> _Ranks:
        row, target, score, time = one
        is_in = self.until[row] <= time
        num_out = tf.math.count_nonzero(self.unknown_until[row] > time)
        unknown_left = tf.maximum(self.num_unknown_items - num_out, 0)
        # Counted as all minus those behind: in a graph, >= becomes "not <", which
        # differs for NaN.
        behind = tf.math.count_nonzero(is_in & (self.scores[row] < score))
        num_in = tf.math.count_nonzero(is_in)
        is_behind = self.unknown_score[row] < score
        others_ahead = tf.where(is_behind, tf.zeros([], tf.int64), unknown_left)
        until = self.until[row, tf.maximum(target - f.NUM_RESERVED, 0)]
        is_candidate = tf.where(
            target == f.UNKNOWN_INDEX, unknown_left > 0, until <= time
        )
        rank = num_in - behind + others_ahead + tf.cast(~is_candidate, tf.int64)
        return _Ranks(rank, others_ahead, num_in + unknown_left + 1)


class _Lists:
    """The first items of lists, as they are served with rules.

    Attributes:
        top_item: Indices of the first items, [M, num_top], padded with 0.
    """

    def __init__(
        self,
        scored: _Scored,
        rules: ListRules,
        row: tf.Tensor,
        time: tf.Tensor,
        num_top: int,
    ):
        """Makes the lists of users at some times.

        Args:
            scored: The scores of all items for the users.
            rules: The rules.
            row: Rows of the users, [M].
            time: When each list is made, [M], in seconds UTC.
            num_top: Number of items in ``top_item``.
        """
        self._rules = rules
        scores = tf.gather(scored.scores, row)
        is_in = tf.gather(scored.until, row) <= time[:, tf.newaxis]
        length = max(rules.pool, num_top) if rules.has_order else num_top
        self._items, score = _listed(scores, is_in, rules, length)
        self._is_item = score > -float("inf")
        num_in = tf.minimum(tf.math.count_nonzero(is_in, 1), length)
        self._is_ended = tf.math.count_nonzero(self._is_item, 1) < num_in
        items = tf.where(self._is_item, self._items + f.NUM_RESERVED, f.PADDING_INDEX)
        self.top_item = items[:, :num_top]

    def ranks(self, of: tf.Tensor, target: tf.Tensor, by_score: _Ranks) -> tf.Tensor:
        """Returns the ranks of N targets.

        Args:
            of: Number of the list of each, [N].
            target: Their indices, [N].
            by_score: Their ranks without rules of order.
        """
        item = tf.cast(target - f.NUM_RESERVED, tf.int32)
        is_blocked = ~tf.gather(self._rules.is_listed, tf.maximum(item, 0))
        is_never = is_blocked & (target != f.UNKNOWN_INDEX)
        if not self._rules.has_order:
            return tf.where(is_never, by_score.last, by_score.rank)
        is_own = tf.gather(self._items, of) == item[:, tf.newaxis]
        is_own &= tf.gather(self._is_item, of)
        place = tf.argmax(is_own, 1) + 1 + by_score.others_ahead
        is_placed = tf.reduce_any(is_own, 1)
        is_never |= tf.gather(self._is_ended, of) & ~is_placed
        rank = tf.where(is_placed, place, by_score.rank)
        return tf.where(is_never, by_score.last, rank)
