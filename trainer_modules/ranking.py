"""Ranks targets among everything that may be on their user's list."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.left_out import ALWAYS, NEVER, left_out_until
from trainer_modules.list_rules import ListRules
from trainer_modules.protocols import RetrievesCandidates, products_of
from trainer_modules.target_contexts import TargetContexts

# A model: returns scores [B, C] for features.
Scorer = Callable[[dict[str, tf.Tensor]], tf.Tensor]

# Pairs of users and items scored at once: 128 MiB for a layer of 256 units.
MAX_SCORED_PAIRS = 1 << 17
# Users of a model that scores by products: 64 MB of scores of a million items.
USERS_BY_PRODUCTS = 16
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
        users_at_once: For how many users all items are scored at once, at least. A
            model that scores by products reads the vectors of all items each time.
        num_new: How many of the items, the last ones, have an index but no row: the
            model scores them by their features.
        scores_all: Whether the model scores all items of a user to score some.
    """

    num_items: int
    num_others: int = 0
    rules: ListRules | None = None
    users_at_once: int = 1
    num_new: int = 0
    scores_all: bool = False

    @classmethod
    def of(
        cls,
        model: tf.keras.Model,
        num_items: int,
        num_others: int,
        num_new: int,
        rules: ListRules | None = None,
    ) -> "Candidates":
        """Returns the candidates of a model."""
        users_at_once = USERS_BY_PRODUCTS if products_of(model) else 1
        scores_all = isinstance(model, RetrievesCandidates)
        return cls(num_items, num_others, rules, users_at_once, num_new, scores_all)

    @property
    def block_size(self) -> int:
        """For how many users all items are scored at once, at most."""
        return max(self.users_at_once, MAX_SCORED_PAIRS // self.num_items)

    @property
    def listed(self) -> dict[str, tf.Tensor]:
        """``is_listed``, which some models read beside the users' features, if any."""
        return {f.IS_LISTED: self.rules.is_listed.value()} if self.rules else {}

    @property
    def rarest(self) -> range:
        """Indices of the rarest items with a row: these are ordered by frequency."""
        end = self.num_items - self.num_new
        return range(max(f.NUM_RESERVED, end - NUM_RARE), end)


def score_candidates(
    model: Scorer,
    features: dict[str, tf.Tensor],
    items: tf.Tensor,
    candidates: Candidates,
) -> tf.Tensor:
    """Returns the scores of each user's candidates.

    Args:
        model: Returns scores [B, C] for features.
        features: Features of the users, [B, ...] each.
        items: Indices of the candidates, [B, C].
        candidates: What may be on lists.

    Returns:
        Scores, [B, C]; items without a row of their own score as described in
        ``_no_better_than_rare``.
    """
    if not candidates.scores_all:
        return _score_rows(model, features, items, candidates)
    # With a user of padding: without any user, shapes would be unknown.
    given = {
        name: tf.pad(value, [[0, 1], *[[0, 0]] * (value.shape.rank - 1)])
        for name, value in {**features, f.ITEM_INDEX: items}.items()
    }

    def score_block(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        users = {name: tf.gather(value, rows) for name, value in given.items()}
        items_of_users = users.pop(f.ITEM_INDEX)
        return {"score": _score_rows(model, users, items_of_users, candidates)}

    blocks = _in_blocks(
        score_block,
        tf.shape(items)[0] + 1,
        candidates.block_size,
        {"score": tf.float32},
    )
    return blocks["score"][:-1]


def _score_rows(
    model: Scorer,
    features: dict[str, tf.Tensor],
    items: tf.Tensor,
    candidates: Candidates,
) -> tf.Tensor:
    rarest = candidates.rarest
    rare = tf.range(rarest.start, rarest.stop, dtype=items.dtype)  # [N]
    users, length = tf.shape(items)[0], tf.shape(items)[1]
    more = tf.tile(rare[tf.newaxis, :], [users, 1])
    features = {**features, **candidates.listed}
    scores = model({**features, f.ITEM_INDEX: tf.concat([items, more], 1)})
    scores = tf.cast(scores, tf.float32)
    known, rare_scores = scores[:, :length], scores[:, length:]
    unknown = _no_better_than_rare(known, rare_scores)
    return tf.where(items == f.UNKNOWN_INDEX, unknown, known)


def score_targets(
    model: Scorer,
    features: dict[str, tf.Tensor],
    targets: tf.Tensor,
    candidates: Candidates,
) -> tf.Tensor:
    """Returns the scores of targets, each in its own context.

    Args:
        model: Returns scores [B, C] for features.
        features: As those of ``rank_targets``.
        targets: Indices of the targets, [B, T], padded with 0.
        candidates: What may be on lists.

    Returns:
        Scores as those of ``score_candidates``, [B, T].
    """
    if f.CONTEXT not in features:
        return score_candidates(model, features, targets, candidates)
    apart = TargetContexts.split(features, targets)
    scores = score_candidates(model, apart.features, apart.targets, candidates)
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
        features: Features of the users, [B, ...] each. ``excluded_item_index`` [B, X],
            padded with 0, has the items that a request excludes.
        time: When the lists are made, [B], in seconds UTC.
        candidates: What may be on lists.
        k: How many items to return.
        passes: Which items may be on each list, [B, V - NUM_RESERVED]; None for all.

    Returns:
        Their places after the reserved rows, and their scores, [B, k] each, best first
        or as the rules order them; the score of an item that is not listed is -inf.
    """
    scores = _Scored(model, features, candidates).at(time)
    if passes is not None:
        scores = tf.where(passes, scores, -float("inf"))
    return _listed(scores, candidates.rules, k)


def _listed(
    scores: tf.Tensor, rules: ListRules | None, k: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the lists of users, as ``best`` does.

    Args:
        scores: Scores of all items with a row of their own, [B, V - NUM_RESERVED]; -inf
            for an item that may not be on the list.
        rules: The rules of lists.
        k: How many items to return.
    """
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
    rules order, is its place. What the rules never list is behind all candidates, and
    behind ``num_top``, however few those are.

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

    def rank_block(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return _rank_rows(
            model,
            {name: tf.gather(value, rows) for name, value in features.items()},
            tf.gather(targets, rows),
            candidates,
            num_top,
        )

    return _in_blocks(
        rank_block,
        tf.shape(targets)[0],
        candidates.block_size,
        _RANKED,
    )


def _in_blocks(
    compute: Callable[[tf.Tensor], dict[str, tf.Tensor]],
    num_rows: tf.Tensor,
    block_size: int,
    dtypes: dict[str, tf.DType],
) -> dict[str, tf.Tensor]:
    """Computes tensors [N, ...] for blocks of rows, one block after the other.

    Args:
        compute: Returns the tensors of rows [M], which it is given.
        num_rows: N.
        block_size: How many rows a block has at most, at least 1.
        dtypes: Types of the tensors, by name.
    """
    size = tf.maximum(tf.minimum(block_size, num_rows), 1)
    blocks = tf.map_fn(
        lambda start: compute(tf.minimum(tf.range(start, start + size), num_rows - 1)),
        tf.range(0, num_rows, size),
        fn_output_signature=dtypes,
        parallel_iterations=1,
    )
    return {
        name: tf.reshape(value, tf.concat([[-1], tf.shape(value)[2:]], 0))[:num_rows]
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
    scored = _Scored(model, features, candidates)
    cells = tf.where(targets != f.PADDING_INDEX)  # [N, 2] the real targets
    row, target = cells[:, 0], tf.cast(tf.gather_nd(targets, cells), tf.int64)
    place = tf.maximum(target - f.NUM_RESERVED, 0)
    # Not scored again: another shape rounds differently, and a target might then seem
    # to be ahead of itself.
    score = tf.where(
        target == f.UNKNOWN_INDEX,
        tf.gather(scored.unknown_score, row),
        tf.gather_nd(scored.scores, tf.stack([row, place], 1)),
    )
    time = tf.gather_nd(times, cells)
    ranks = scored.ranks(row, target, score, time)
    # As when the user came: at the time of the first target.
    first = tf.pad(times, [[0, 0], [0, 1]])[:, 0]
    ranks = ranks._replace(last=tf.maximum(ranks.last, num_top + 1))
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
        top = _listed(scored.at(first), None, num_top)[0] + f.NUM_RESERVED
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
    """The scores of all items for B users, and what their lists leave out.

    That is kept by item of a history rather than by item of the catalogue: with a
    million items, a time for each of them takes as long as all scores.

    Attributes:
        scores: Scores of the items with a row of their own, [B, V - NUM_RESERVED].
        unknown_score: Score of every other item, [B].
    """

    def __init__(
        self, model: Scorer, features: dict[str, tf.Tensor], candidates: Candidates
    ):
        """Scores every item with a row of its own, and the unknown item.

        Args:
            model: Returns scores [B, C] for features.
            features: Features of the users, [B, ...] each, as in ``best``.
            candidates: What may be on lists.
        """
        catalogue = tf.range(f.UNKNOWN_INDEX, candidates.num_items)[tf.newaxis, :]
        given = {**features, **candidates.listed, f.ITEM_INDEX: catalogue}
        scores = tf.cast(model(given), tf.float32)
        self.scores = scores[:, 1:]
        rarest = candidates.rarest
        rare = scores[:, rarest.start - f.UNKNOWN_INDEX : rarest.stop - f.UNKNOWN_INDEX]
        self.unknown_score = _no_better_than_rare(scores[:, :1], rare)[:, 0]
        self._num_items, self._num_others = candidates.num_items, candidates.num_others
        self._is_listed = None  # [B, V - NUM_RESERVED]
        if candidates.rules:
            is_listed = candidates.rules.listed_for(features.get(f.AGE))
            self._is_listed = tf.broadcast_to(is_listed, tf.shape(self.scores))
        history = tf.cast(features[f.HISTORY_ITEM_INDEX], tf.int32)  # [B, H]
        until = left_out_until(features)
        # Always a candidate for the items with a row.
        self._others_until = tf.where(history == f.UNKNOWN_INDEX, until, ALWAYS)
        if f.EXCLUDED_ITEM_INDEX in features:
            excluded = tf.cast(features[f.EXCLUDED_ITEM_INDEX], tf.int32)
            history = tf.concat([history, excluded], 1)
            until = tf.concat([until, tf.fill(tf.shape(excluded), NEVER)], 1)
        item = history - f.NUM_RESERVED
        self._out, self._until = item, tf.where(item >= 0, until, ALWAYS)  # [B, L]
        # To be counted; a list that is only made needs neither this nor what follows.
        self._counted, self._counted_until = _each_once(item, self._until)
        # NaN is not behind anything.
        self._compared = self.scores
        num_users = tf.shape(self.scores)[0]
        num_items = tf.cast(candidates.num_items - f.NUM_RESERVED, tf.int64)
        self._num_listed = tf.fill([num_users], num_items)  # [B]
        if self._is_listed is not None:
            self._compared = tf.where(self._is_listed, self.scores, float("nan"))
            self._num_listed = _count(self._is_listed, 1)
            is_listed = tf.gather(
                self._is_listed, tf.maximum(self._counted, 0), batch_dims=1
            )
            self._counted_until = tf.where(is_listed, self._counted_until, ALWAYS)
        self._counted_scores = tf.gather(
            self.scores, tf.maximum(self._counted, 0), batch_dims=1
        )

    def at(self, time: tf.Tensor, row: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the scores of the items that may be on lists, or else -inf.

        Args:
            time: When the lists are made, [M], in seconds UTC.
            row: Rows of their users, [M]; None for each user once.

        Returns:
            Scores, [M, V - NUM_RESERVED].
        """
        scores, out, until = self.scores, self._out, self._until
        if self._is_listed is not None:
            scores = tf.where(self._is_listed, scores, -float("inf"))
        if row is not None:
            scores, out, until = (tf.gather(all_, row) for all_ in (scores, out, until))
        cells = tf.where(until > time[:, tf.newaxis])
        places = tf.stack(
            [cells[:, 0], tf.cast(tf.gather_nd(out, cells), tf.int64)], axis=1
        )
        nothing = tf.fill(tf.shape(cells)[:1], -float("inf"))
        return tf.tensor_scatter_nd_update(scores, places, nothing)

    def num_in(self, time: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """Returns how many items with a row may be on lists of users [M] then [M]."""
        until = tf.gather(self._counted_until, row)
        num_listed = tf.gather(self._num_listed, row)
        return num_listed - _count(until > time[:, tf.newaxis], 1)

    def are_listed(self, row: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """Returns whether the rules let lists of users [M] contain an item each [M]."""
        place = tf.cast(tf.maximum(item, 0), row.dtype)
        return tf.gather_nd(self._is_listed, tf.stack([row, place], 1))

    def num_candidates(self, time: tf.Tensor) -> tf.Tensor:
        """Returns how many items may be on each user's list at a time [B]."""
        users = tf.range(tf.shape(time)[0])
        return self.num_in(time, users) + self._num_others_in(time, users)

    def _num_others_in(self, time: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        until = tf.gather(self._others_until, row)
        return tf.maximum(self._num_others - _count(until > time[:, tf.newaxis], 1), 0)

    def ranks(
        self, row: tf.Tensor, target: tf.Tensor, score: tf.Tensor, time: tf.Tensor
    ) -> "_Ranks":
        """Returns the ranks of N targets, given the row, score and time of each.

        A target is not behind itself, so the count of items that are not behind it is
        its rank. One more is added for a target that is not a candidate: one that is
        left out, or without a row and not counted in the catalogue.
        """
        score = tf.where(tf.math.is_nan(score), -float("inf"), score)
        given = (row, target, score, time)
        ranks = _in_blocks(
            lambda rows: self._ranks(*(tf.gather(values, rows) for values in given)),
            tf.shape(row)[0],
            max(1, MAX_SCORED_PAIRS // self._num_items),
            dict.fromkeys(_Ranks._fields, tf.int64),
        )
        return _Ranks(**ranks)

    def _ranks(
        self, row: tf.Tensor, target: tf.Tensor, score: tf.Tensor, time: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        than = score[:, tf.newaxis]
        is_out = tf.gather(self._counted_until, row) > time[:, tf.newaxis]  # [N, L]
        # Counted as all minus those behind: in a graph, >= becomes "not <", which
        # differs for NaN.
        behind = _count(tf.gather(self._compared, row) < than, 1)
        behind -= _count(is_out & (tf.gather(self._counted_scores, row) < than), 1)
        num_in, others_in = self.num_in(time, row), self._num_others_in(time, row)
        is_behind = tf.gather(self.unknown_score, row) < score
        others_ahead = tf.where(is_behind, tf.zeros_like(others_in), others_in)
        item = tf.cast(target - f.NUM_RESERVED, tf.int32)
        is_own = tf.gather(self._counted, row) == item[:, tf.newaxis]
        is_candidate = ~tf.reduce_any(is_own & is_out, 1)
        if self._is_listed is not None:
            is_candidate &= self.are_listed(row, item)
        is_candidate = tf.where(target == f.UNKNOWN_INDEX, others_in > 0, is_candidate)
        rank = num_in - behind + others_ahead + tf.cast(~is_candidate, tf.int64)
        return {
            "rank": rank,
            "others_ahead": others_ahead,
            "last": num_in + others_in + 1,
        }


def _each_once(item: tf.Tensor, until: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns each item [B, L] once, with the latest of its times [B, L].

    Repeats are always candidates.
    """
    by_time = tf.argsort(until, 1, stable=True)
    item, until = (tf.gather(all_, by_time, batch_dims=1) for all_ in (item, until))
    by_item = tf.argsort(item, 1, stable=True)
    item, until = (tf.gather(all_, by_item, batch_dims=1) for all_ in (item, until))
    is_last = item[:, 1:] != item[:, :-1]
    is_last = tf.pad(is_last, [[0, 0], [0, 1]], constant_values=True)
    return item, tf.where(is_last, until, ALWAYS)


def _count(values: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns how many are true; adding up 64 bits each would take twice as long."""
    return tf.cast(tf.math.count_nonzero(values, axis, dtype=tf.int32), tf.int64)


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
        self._rules, self._scored, self._row = rules, scored, row
        length = max(rules.pool, num_top) if rules.has_order else num_top
        self._items, score = _listed(scored.at(time, row), rules, length)
        self._is_item = score > -float("inf")
        num_in = tf.minimum(scored.num_in(time, row), length)
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
        is_blocked = ~self._scored.are_listed(tf.gather(self._row, of), item)
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
