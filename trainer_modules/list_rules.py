"""The rules of lists, as part of the exported model's graph.

The Evaluator, ``marquee batch`` and the server all run this code. What a feed changes
is in variables, which the signature ``update_items`` replaces as a whole.
Shapes: B lists, I items with an index of their own (rows), P items of the pool, L
values of an item, N rows of a feed.
"""

import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.list_rules import Diversity, Rules
from trainer_modules.minimum_age import MinimumAges
from trainer_modules.request_lists import values_of

_HASHES = 1 << 62  # values are compared by hashes; 0 is padding
_UNLIMITED = tf.int32.max


class ListRules(tf.Module):
    """What lists may contain, and in which order.

    Attributes:
        fields: The fields that rules or filters use.
        feed_fields: Those whose values a feed may replace.
        is_listed: Whether each item may be listed for some user, [I].
        minimum_age: From which age on users may see items; None for any age.
    """

    def __init__(self, rules: Rules, item_ids: Sequence[bytes], catalogue: pa.Table):
        """Applies the rules to the catalogue, as if all items were available.

        Args:
            rules: The rules.
            item_ids: IDs of the items, [I], in the order of their indices.
            catalogue: The items and their side features.

        Raises:
            ValueError: If a rule names a field, a value or an item that the catalogue
                lacks.
        """
        super().__init__()
        self._rules = rules
        self.fields, self.feed_fields = rules.fields, rules.feed_fields
        self.has_feed = rules.feed is not None
        self.num_items = len(item_ids)
        self.pool = min(rules.pool, len(item_ids))
        ids = catalogue[f.ITEM_ID].to_pylist()
        values = _values(rules, catalogue)
        for key, named in (("deny", rules.deny), ("allow", rules.allow or ())):
            _check_names(key, "item", named, set(ids))
        row_of = {item.encode(): row for row, item in enumerate(ids)}
        rows = [row_of[item] for item in item_ids]
        denied, allowed = set(rules.deny), set(rules.allow or ())
        self._is_denied = _fixed([ids[row] in denied for row in rows], tf.bool)
        self._is_allowed = _fixed([ids[row] in allowed for row in rows], tf.bool)
        self._own = {
            name: tf.Variable(
                _distinct(_hashed(_padded([lists[row] for row in rows]))),
                trainable=False,
            )
            for name, lists in values.items()
        }
        # A feed may bring items with more values.
        self._values = {
            name: tf.Variable(own, trainable=False, shape=[len(item_ids), None])
            for name, own in self._own.items()
        }
        age = rules.minimum_age
        self.minimum_age = MinimumAges(age, rows, catalogue) if age else None
        self.is_listed = _fixed(np.ones(len(item_ids)), tf.bool)
        self._places_up = _fixed(np.zeros(len(item_ids)), tf.int32)
        nothing = tf.zeros([0, 1], tf.string)
        if not self.update(
            tf.zeros([0], tf.int64),
            tf.zeros([0], tf.bool),
            dict.fromkeys(self.feed_fields, nothing),
        ):
            raise ValueError("lists.rules leaves no item to list; remove a rule")

    @property
    def has_order(self) -> bool:
        """Whether rules change the order of the best items."""
        return self._rules.has_order

    def update(
        self,
        row: tf.Tensor,
        is_available: tf.Tensor,
        fields: Mapping[str, tf.Tensor],
    ) -> tf.Tensor:
        """Replaces what an earlier feed has changed.

        Args:
            row: Rows of the items in the feed, [N]; below 0 for those without one.
            is_available: Whether each of them is available, [N]; others are.
            fields: Field → values of these items, [N, W], padded with "". Those of an
                item without any, and of other items, are the catalogue's.

        Returns:
            How many items may be listed. If that is 0, nothing is replaced.
        """
        rules = self._rules
        has_row = row >= 0
        row = tf.boolean_mask(row, has_row)
        is_out = tf.boolean_mask(~is_available, has_row)
        is_out = (
            tf.scatter_nd(
                row[:, tf.newaxis], tf.cast(is_out, tf.int32), [self.num_items]
            )
            > 0
        )
        values = {
            name: _replaced(own, row, tf.boolean_mask(fields[name], has_row))
            for name, own in self._own.items()
        }
        ages = None
        if self.minimum_age:
            given = tf.boolean_mask(fields[self.minimum_age.rule.item_field], has_row)
            ages = self.minimum_age.replaced(row, given)

        def have_any(wanted: Mapping[str, Sequence[str]]) -> tf.Tensor:
            """Returns which items have one of some values, [I]."""
            found = tf.fill([self.num_items], False)
            for name, texts in wanted.items():
                for text in texts:
                    is_value = values[name] == _hashed(tf.constant(text))
                    found |= tf.reduce_any(is_value, 1)
            return found

        is_listed = ~(self._is_denied | have_any(rules.deny_values) | is_out)
        if rules.allow is not None or rules.allow_values:
            is_listed &= self._is_allowed | have_any(rules.allow_values)
        places = tf.zeros([self.num_items], tf.int32)
        for boost in rules.boosts:
            has_value = have_any({boost.field: [boost.value]})
            places = tf.maximum(places, tf.where(has_value, boost.places, 0))

        def replace() -> tf.Tensor:
            self.is_listed.assign(is_listed)
            self._places_up.assign(places)
            if self.minimum_age:
                self.minimum_age.assign(ages)
            for name, new in values.items():
                self._values[name].assign(new)
            return num_listed

        num_listed = tf.math.count_nonzero(is_listed)
        return tf.cond(num_listed > 0, replace, lambda: num_listed)

    def listed_for(self, age: tf.Tensor | None = None) -> tf.Tensor:
        """Returns which items may be listed for users, [B, I], or [1, I] for all.

        Args:
            age: The users' ages, [B]; None if they are unknown.
        """
        is_listed = self.is_listed[tf.newaxis]
        if not self.minimum_age:
            return is_listed
        return is_listed & self.minimum_age.suit(age)

    def may_see_all(self, age: tf.Tensor) -> tf.Tensor:
        """Returns for which users of ages [B] everything may be listed, [B]."""
        return tf.reduce_all(self.listed_for(age) == self.is_listed, 1)

    def matching(self, pairs: tf.Tensor) -> tf.Tensor:
        """Returns which items pass the filters of requests, [B, I].

        Args:
            pairs: "field=value" texts, [B, F], padded with "". An item must have one of
                the values of each field. A field that the rules do not name has none.
        """
        known = [values_of(name, pairs, tf.string) for name in self.fields]
        num_known = tf.add_n([texts.row_lengths() for texts in known])
        is_known = num_known == tf.math.count_nonzero(pairs != "", 1)
        passes = tf.tile(is_known[:, tf.newaxis], [1, self.num_items])
        for name, texts in zip(self.fields, known, strict=True):
            values = self._values[name].value()
            wanted = texts.with_flat_values(_hashed(texts.flat_values)).to_tensor()
            has_any = tf.foldl(
                functools.partial(_or_has, values),
                tf.transpose(wanted),
                tf.zeros_like(passes),
            )
            passes &= has_any | (texts.row_lengths() == 0)[:, tf.newaxis]
        return passes

    def listed(self, row: tf.Tensor, score: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns lists as the rules order them.

        Args:
            row: Rows of the best items, [B, N], best first; N is at least the size of
                the pool.
            score: Their scores, [B, N]; -inf for items that are not on a list, which
                are last.

        Returns:
            Rows and scores, [B, N]. A list that a limit ends has the score -inf from
            there on.
        """
        if not self.has_order:
            return row, score
        head, head_score = row[:, : self.pool], score[:, : self.pool]
        order, length = self._order(head, head_score)
        place = tf.range(tf.shape(row)[1])[tf.newaxis]
        row = tf.concat([tf.gather(head, order, batch_dims=1), row[:, self.pool :]], 1)
        score = tf.concat(
            [tf.gather(head_score, order, batch_dims=1), score[:, self.pool :]], 1
        )
        return row, tf.where(place < length[:, tf.newaxis], score, -float("inf"))

    def _order(self, row: tf.Tensor, score: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the order of the pool [B, P], and the length of each list [B]."""
        is_item = score > -float("inf")
        row = tf.maximum(row, 0)  # an index has no row where it finds nothing
        boosted = self._boosted(row, is_item)
        if not self._rules.num_chosen:
            return boosted, tf.fill(tf.shape(row)[:1], _UNLIMITED)
        chosen = _Choice(
            [
                (limit.at_most, limit.in_first, self._of(limit.field, row, boosted))
                for limit in self._rules.limits
            ],
            is_item,
        )
        diversity = self._rules.diversity
        if diversity:
            values = self._of(diversity.field, row, boosted)
            chosen.differ(diversity, values, _scaled(score, is_item))
        place, length = chosen.places(min(self._rules.num_chosen, self.pool))
        return tf.gather(boosted, tf.argsort(place, stable=True), batch_dims=1), length

    def _of(self, field: str, row: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
        """Returns the values [B, P, L] of the pool's items in an order."""
        return tf.gather(self._values[field], tf.gather(row, order, batch_dims=1))

    def _boosted(self, row: tf.Tensor, is_item: tf.Tensor) -> tf.Tensor:
        """Returns the order of the pool [B, P] after boosts.

        An item that moves up by n places is ahead of the one whose place it gets, so
        that none moves up by more, whatever else moves.
        """
        place = tf.broadcast_to(tf.range(self.pool)[tf.newaxis], tf.shape(row))
        if not self._rules.boosts:
            return place
        most = max(boost.places for boost in self._rules.boosts)
        up = tf.where(is_item, tf.gather(self._places_up, row), 0)
        return tf.argsort((place - up) * (most + 1) + most - up, stable=True)


class _Choice:
    """Chooses items of pools one after the other, for the first places of lists."""

    def __init__(
        self, limits: Sequence[tuple[int, int, tf.Tensor]], is_item: tf.Tensor
    ):
        """Begins with nothing chosen.

        Args:
            limits: ``at_most``, ``in_first`` and the values [B, P, L] of each limit.
            is_item: Which items of the pools may be chosen, [B, P], those first.
        """
        self._limits, self._is_item = limits, is_item
        self._diversity: Diversity | None = None

    def differ(
        self, diversity: Diversity, values: tf.Tensor, relevance: tf.Tensor
    ) -> None:
        """Also chooses by Maximal Marginal Relevance.

        Carbonell & Goldstein, SIGIR 1998, https://doi.org/10.1145/290941.291025, the
        formula in section 2, with the Jaccard index as the similarity of two items.

        Args:
            diversity: Number of places, and the lambda of the formula.
            values: Values of the items, [B, P, L].
            relevance: Their relevance, 0 to 1, [B, P].
        """
        self._diversity, self._compared = diversity, values
        self._relevance = relevance

    def places(self, num_places: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the place of each item [B, P], and the length of each list [B].

        Items that are not chosen follow in their order.
        """
        zeros = tf.zeros_like(self._is_item, tf.int32)  # [B, P]
        order = zeros + tf.range(tf.shape(zeros)[1])
        by_order = -tf.cast(order, tf.float32)

        def choose(
            step: tf.Tensor,
            place: tf.Tensor,
            length: tf.Tensor,
            counts: list[tf.Tensor],
            similarity: tf.Tensor,
        ) -> tuple[Any, ...]:
            is_free = self._is_item & (place >= num_places)
            is_eligible = is_free
            for (at_most, in_first, _), count in zip(self._limits, counts, strict=True):
                is_full = tf.reduce_max(count, 2) >= at_most
                is_eligible &= ~is_full | (step >= in_first)
            value = by_order
            if self._diversity:
                weight = self._diversity.relevance
                mmr = weight * self._relevance - (1 - weight) * similarity
                value = tf.where(step < self._diversity.in_first, mmr, by_order)
            # The first of equal ones, which argmax does not promise.
            best = tf.math.top_k(tf.where(is_eligible, value, -float("inf"))).indices
            is_ended = tf.reduce_any(is_free, 1) & ~tf.reduce_any(is_eligible, 1)
            length = tf.where(is_ended, tf.minimum(length, step), length)
            is_next = tf.reduce_any(is_eligible, 1) & (step < length)
            is_best = (order == best) & is_next[:, tf.newaxis]
            place = tf.where(is_best, step, place)
            counts = [
                count
                + tf.cast(_shared(values, best) & is_next[:, None, None], tf.int32)
                for (_, _, values), count in zip(self._limits, counts, strict=True)
            ]
            if self._diversity:
                similar = _jaccard(self._compared, best)
                similarity = tf.where(
                    is_next[:, tf.newaxis], tf.maximum(similarity, similar), similarity
                )
            return step + 1, place, length, counts, similarity

        _, place, length, _, _ = tf.while_loop(
            lambda step, *_: step < num_places,
            choose,
            (
                0,
                num_places + order,
                zeros[:, 0] + _UNLIMITED,
                [tf.zeros_like(values, tf.int32) for *_, values in self._limits],
                tf.zeros_like(by_order),
            ),
        )
        return place, length


def _or_has(values: tf.Tensor, has_any: tf.Tensor, one: tf.Tensor) -> tf.Tensor:
    """Adds which items with values [I, L] have one [B] to those found before [B, I]."""
    is_value = values == one[:, tf.newaxis, tf.newaxis]
    return has_any | tf.reduce_any(is_value & (values != 0), 2)


def _shared(values: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
    """Returns which values [B, P, L] the chosen items [B, 1] have as well."""
    own = tf.gather(values, best, batch_dims=1)[:, :, tf.newaxis]  # [B, 1, 1, L]
    is_same = values[..., tf.newaxis] == own
    return tf.reduce_any(is_same, 3) & (values != 0)


def _jaccard(values: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
    """Returns the similarity of all items [B, P] and the chosen ones [B, 1]."""
    both = tf.math.count_nonzero(_shared(values, best), 2, dtype=tf.float32)
    count = tf.math.count_nonzero(values, 2, dtype=tf.float32)
    either = count + tf.gather(count, best, batch_dims=1) - both
    return tf.math.divide_no_nan(both, either)


def _scaled(score: tf.Tensor, is_item: tf.Tensor) -> tf.Tensor:
    """Returns scores [B, P] scaled to 0 to 1 among the items of each pool."""
    best = score[:, :1]
    worst = tf.reduce_min(tf.where(is_item, score, best), 1, keepdims=True)
    scaled = tf.math.divide_no_nan(score - worst, best - worst)
    return tf.where(is_item, scaled, 0.0)


def _replaced(own: tf.Variable, row: tf.Tensor, given: tf.Tensor) -> tf.Tensor:
    """Returns hashed values [I, W], those of rows [N] replaced if any is given."""
    is_given = tf.reduce_any(given != "", 1)
    row = tf.boolean_mask(row, is_given)[:, tf.newaxis]
    given = _distinct(_hashed(tf.boolean_mask(given, is_given)))
    width = tf.maximum(tf.shape(own)[1], tf.shape(given)[1])
    own, given = (
        tf.pad(values, [[0, 0], [0, width - tf.shape(values)[1]]])
        for values in (own.value(), given)
    )
    return tf.tensor_scatter_nd_update(own, row, given)


def _hashed(texts: tf.Tensor) -> tf.Tensor:
    hashes = tf.strings.to_hash_bucket_fast(texts, _HASHES) + 1
    return tf.where(texts == "", tf.zeros_like(hashes), hashes)


def _distinct(values: tf.Tensor) -> tf.Tensor:
    """Returns values [N, L] in which each counts once; 0 replaces its repeats."""
    values = tf.sort(values, 1, direction="DESCENDING")
    is_repeated = values[:, 1:] == values[:, :-1]
    return tf.where(
        tf.pad(is_repeated, [[0, 0], [1, 0]]), tf.zeros_like(values), values
    )


def _fixed(values: Iterable[bool] | np.ndarray, dtype: tf.DType) -> tf.Variable:
    return tf.Variable(tf.cast(values, dtype), trainable=False)


def _padded(lists: Sequence[Sequence[str]]) -> tf.Tensor:
    """Returns texts [N, L], padded with ""; L is at least 1."""
    padded = np.full([len(lists), max([1, *map(len, lists)])], "", object)
    for place, values in enumerate(lists):
        padded[place, : len(values)] = values
    return tf.constant(padded, tf.string)


def _values(rules: Rules, catalogue: pa.Table) -> dict[str, list[list[str]]]:
    """Returns the values of each item, by the fields that the rules use.

    Raises:
        ValueError: If the catalogue lacks a field or a value.
    """
    known = {
        column.name.removeprefix(f.ITEM_FEATURE_PREFIX): column.name
        for column in catalogue.schema
        if f.is_item_feature(column.name)
        and f.Kind.of_texts(column.metadata or {}) is None
    }
    _check_names("", "field of categories", rules.fields, known)
    values = {
        name: [row or [] for row in catalogue[known[name]].to_pylist()]
        for name in rules.fields
    }
    all_values = {
        name: {value for row in lists for value in row}
        for name, lists in values.items()
    }
    for key, field, value in rules.values:
        _check_names(key, f"value of {field}", [value], all_values[field])
    return values


def _check_names(
    key: str, kind: str, names: Iterable[str], known: Iterable[str]
) -> None:
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            few = ", ".join(sorted(known)[:10]) or "none"
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {few}"
            place = f"lists.rules, {key}" if key else "lists.rules"
            raise ValueError(f"{place}: the catalogue has no {kind} {name!r}; {hint}")
