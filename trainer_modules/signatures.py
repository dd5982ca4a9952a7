"""The exported model: its signatures, over one score function.

The SavedModel contains the transform graph, the vocabularies and the weights; nothing
of this package is needed to load it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules import features as f
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.found_items import found_by
from trainer_modules.inputs import NEVER, dense
from trainer_modules.interactions import Seconds
from trainer_modules.item_feed import AVAILABLE
from trainer_modules.item_index import NO_ROW, Found, ItemIndex
from trainer_modules.labels import label_of_targets
from trainer_modules.left_out import AT_ONCE, again_from, left_out_until
from trainer_modules.list_rules import ListRules
from trainer_modules.protocols import ScoresByProducts
from trainer_modules.ranking import (
    Candidates,
    best,
    rank_targets,
    score_candidates,
    score_targets,
)
from trainer_modules.request_lists import (
    fitted,
    given_or_known,
    times_of,
    values_of,
    weights_of,
)
from trainer_modules.similar_items import nearest
from trainer_modules.sizes import Table
from trainer_modules.time_context import TimeContext

NUM_TOP = 10  # items of each user's list that ``evaluate`` returns
# If an index finds fewer items that may be listed in the lists that it searches for a
# user, all items are scored.
FEW = 10 * NUM_TOP
HASHES = 1 << 20  # buckets of user ids; a sample of users is those in the lowest ones
HASH_KEY = (2017, 1031)  # not that of ExampleGen, which orders the users by a hash
# What scores are: logits of the probability that a rated item is liked, stars, or
# numbers that only put items in an order.
Unit = Literal["logit", "stars", "order"]


class Served:
    """A trained model with its transform graph and its signatures.

    The signatures have no condition that depends on a tensor, and AutoGraph would take
    longer to convert them than tracing takes.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        transform: tft.TFTransformOutput,
        *,
        unit: Unit,
        user_fields: Mapping[str, Table],
        list_statistics: ListStatistics,
        first_rated: Seconds,
        num_unknown_items: int,
        share_of_users: float,
        reads_times: bool = False,
        is_weighted: bool = False,
        again_after: int | None = None,
        new_items: Sequence[bytes] = (),
        context: TimeContext | None = None,
        index: ItemIndex | None = None,
        rules: ListRules | None = None,
    ):
        """Joins a model to what it was trained on.

        Args:
            model: Returns scores [B, C] for features.
            transform: The transform graph with its vocabularies.
            unit: Unit of the scores.
            user_fields: Side features of the known users, [num_users, L] each, as in
                ``Data.user_fields``, for requests without any.
            list_statistics: Measures the lists that ``evaluate`` makes.
            first_rated: When each item was first rated in training, as in
                ``Data.first_rated``.
            num_unknown_items: How many catalogue items are neither in the vocabulary
                nor among ``new_items``.
            share_of_users: Share of the users, 0 to 1, that ``evaluate`` ranks for; a
                hash of their ids selects them.
            reads_times: Whether the model reads ``history_timestamp``; then
                ``recommend`` has an input of this name.
            is_weighted: Whether rows of a history differ in their weights, or each
                repeat counts.
            again_after: For how many seconds items are left out of lists
                (``left_out.py``); None for ever.
            new_items: Ids of the items whose indices follow those of the vocabulary.
            context: The fields of times that the model reads; None if it reads none.
            index: Finds the items of ``recommend`` by the vectors of a model that
                ``ScoresByProducts``, or of the one that retrieves for it; without it,
                all items are scored.
            rules: What lists may contain, and in which order; None without rules.
        """
        self.model = model
        self.scorer = tf.function(model, autograph=False)
        self.transform = tf.saved_model.load(transform.transform_savedmodel_dir)
        self.list_types = {
            name: spec.dtype
            for name, spec in transform.raw_feature_spec().items()
            if name != f.USER_ID
        }
        vocabulary = transform.vocabulary_by_name(f.ITEM_VOCABULARY)
        item_ids = [b""] * f.NUM_RESERVED + [*vocabulary, *new_items]
        self.item_ids = tf.constant(item_ids)
        self.num_items = len(item_ids)
        self.num_rows = self.num_items - len(new_items)
        self.new_items = _table(new_items, self.num_rows)
        self.unit = unit
        self.user_fields = {
            name: tf.constant(table, tf.float32 if is_vector else tf.int64)
            for name, table in user_fields.items()
            for is_vector in [table.dtype.kind == "f"]
        }
        self.list_statistics = list_statistics
        self.first_rated = tf.constant(first_rated)
        self.num_unknown_items = num_unknown_items
        self.candidates = Candidates.of(
            model,
            self.num_items,
            num_unknown_items,
            num_new=len(new_items),
            rules=rules,
        )
        self.share_of_users = share_of_users
        self.reads_times = reads_times
        self.is_weighted = is_weighted
        self.again_after = again_after
        self.context = context
        self.index = index
        self.rules = rules
        self.has_events = f.HISTORY_EVENT_TYPE in self.list_types

    def save(self, folder: str) -> None:
        """Writes the SavedModel to a folder."""
        examples = tf.TensorSpec([None], tf.string, name="examples")
        waits = self.again_after not in (None, AT_ONCE)
        reads_times = self.reads_times or waits
        optional = {
            f.HISTORY_TIMESTAMP: reads_times and ([None, None], tf.int64),
            f.HISTORY_EVENT_TYPE: self.has_events and ([None, None], tf.string),
            f.REQUEST_TIMESTAMP: (waits or self.context) and ([None], tf.int64),
            f.FILTER: self.rules and self.rules.fields and ([None, None], tf.string),
        }
        signatures = {
            "serving_default": self.score.get_concrete_function(examples),
            "evaluate": self.evaluate.get_concrete_function(examples),
            "recommend": self.recommend.get_concrete_function(
                tf.TensorSpec([None], tf.string, name=f.USER_ID),
                tf.TensorSpec([None, None], tf.string, name=f.HISTORY_ITEM_ID),
                tf.TensorSpec([None, None], tf.float32, name=f.HISTORY_RATING),
                tf.TensorSpec([None, None], tf.string, name=f.USER_FEATURES),
                tf.TensorSpec([], tf.int32, name="k"),
                tf.TensorSpec([None, None], tf.string, name=f.EXCLUDE_ITEM_ID),
                **{
                    name: tf.TensorSpec(*spec, name=name)
                    for name, spec in optional.items()
                    if spec
                },
            ),
        }
        if isinstance(self.model, ScoresByProducts):
            signatures["similar"] = self.similar.get_concrete_function(
                tf.TensorSpec([None], tf.string, name=f.ITEM_ID),
                tf.TensorSpec([], tf.int32, name="k"),
            )
        elif self.rules:
            signatures["are_listed"] = self.are_listed.get_concrete_function(
                tf.TensorSpec([None], tf.string, name=f.ITEM_ID)
            )
        if self.rules and self.rules.has_feed:
            signatures["update_items"] = self.update_items.get_concrete_function(
                tf.TensorSpec([None], tf.string, name=f.ITEM_ID),
                tf.TensorSpec([None], tf.bool, name=AVAILABLE),
                **{
                    f.ITEM_FEATURE_PREFIX + name: tf.TensorSpec(
                        [None, None], tf.string, name=f.ITEM_FEATURE_PREFIX + name
                    )
                    for name in self.rules.feed_fields
                },
            )
        tf.saved_model.save(self.objects(), folder, signatures)

    def objects(self) -> tf.Module:
        """Returns the objects of the export: the variables and the transform graph.

        With the Keras model and the functions among them, TensorFlow would trace each
        layer and each signature again, and write a second copy of their graphs.
        """
        written = tf.Module()
        written.transform = self.transform
        written.new_items = self.new_items
        written.index = self.index
        written.rules = self.rules
        written.model = _tree(self.model.get_weight_paths())
        return written

    @tf.function(autograph=False)
    def score(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores the candidates that each Example lists.

        Args:
            examples: Serialized Examples, [B], with ``user_id``, ``candidate_item_id``
                [C] and, as far as they are known, ``history_item_id``,
                ``history_rating`` (items without one count as liked),
                ``history_timestamp`` and ``history_event_type`` (as in ``recommend``)
                and side features. A model that reads fields of times reads them from
                ``request_timestamp``, in seconds UTC; without it, they have no value.

        Returns:
            ``score`` [B, C]; -inf pads Examples with fewer candidates than others.
        """
        more = {f.CANDIDATE_ITEM_ID: tf.string}
        if self.context:
            more[f.REQUEST_TIMESTAMP] = tf.int64
        raw = self._parse(examples, more)
        time = raw.pop(f.REQUEST_TIMESTAMP, None)
        raw[f.ITEM_ID] = raw.pop(f.CANDIDATE_ITEM_ID)
        raw[f.HISTORY_RATING] = fitted(
            raw[f.HISTORY_ITEM_ID], raw[f.HISTORY_RATING], tf.float32.max
        )
        if self.has_events:
            raw[f.HISTORY_EVENT_TYPE] = fitted(
                raw[f.HISTORY_ITEM_ID], raw[f.HISTORY_EVENT_TYPE], ""
            )
        features, items = self._features(self._transformed(raw))
        if time is not None:
            features |= self._context_at(time.to_tensor(shape=[None, 1])[:, 0])
        scores = score_candidates(self.scorer, features, items, self.candidates)
        is_real = tf.sequence_mask(raw[f.ITEM_ID].row_lengths(), tf.shape(scores)[1])
        return {"score": tf.where(is_real, scores, -float("inf"))}

    @tf.function(autograph=False)
    def recommend(
        self,
        user_id: tf.Tensor,
        history_item_id: tf.Tensor,
        history_rating: tf.Tensor,
        user_features: tf.Tensor,
        k: tf.Tensor,
        exclude_item_id: tf.Tensor | None = None,
        history_timestamp: tf.Tensor | None = None,
        history_event_type: tf.Tensor | None = None,
        request_timestamp: tf.Tensor | None = None,
        filter: tf.Tensor | None = None,  # noqa: A002 - the name of the input
    ) -> dict[str, tf.Tensor]:
        """Returns the best items, without those that ``left_out.py`` leaves out.

        These are the items of the history, unless they are recommended again; with
        types of events, those that were judged or disliked.

        Given everything that a user has rated so far, it ranks as ``evaluate`` does;
        the model itself decides which ratings are likes and which of them to read.

        Args:
            user_id: Ids of the users, [B]; an id that training did not see is scored as
                an unknown user.
            history_item_id: Items that the user has rated so far, liked or not, [B, H],
                oldest first, padded with "".
            history_rating: Ratings of the first R of them, [B, R], in the unit of the
                training data. An item without one, or with NaN, counts as liked.
            user_features: Side features, as in "user_gender=F" or "user_age=34.5" for a
                numeric one, [B, N], padded with "". A vector has its numbers in order,
                as in "user_taste=0.5", "user_taste=-2". A feature without any value has
                those from training. "age=12" is the age for the rule of a minimum age;
                without it, that is the value of the rule's field among these.
            k: How many items to return; fewer if the catalogue has fewer.
            exclude_item_id: Items that the lists must not contain, [B, X], padded with
                ""; of every exported model.
            history_timestamp: Times of the first T items, [B, T], in seconds UTC; only
                of a model that reads times, or that recommends items again after some
                time. An item without one, or with 0, counts as rated at the newest time
                that the row has, and is not recommended again.
            history_event_type: Types of the events of the first E items, [B, E]; only
                of a model that was trained with types of events. An item without one,
                or with "", is judged.
            request_timestamp: Times of the requests, [B], in seconds UTC; only of a
                model that recommends items again after some time, or that reads fields
                of times, which have no value at the time 0.
            filter: "field=value" texts, [B, F], padded with ""; only of a model with
                rules. An item must have one of the values of each field.

        Returns:
            ``item_id`` [B, k] and ``score`` [B, k], best first or as the rules order
            them; "" and -inf pad shorter lists: of users who have seen too much of the
            catalogue, and of those that a filter or a limit of the rules ends.
        """
        raw = self._raw_users(user_id, history_item_id, history_rating, user_features)
        if history_timestamp is not None and f.HISTORY_TIMESTAMP in raw:
            raw[f.HISTORY_TIMESTAMP] = tf.RaggedTensor.from_tensor(history_timestamp)
        if history_event_type is not None:
            raw[f.HISTORY_EVENT_TYPE] = fitted(
                raw[f.HISTORY_ITEM_ID],
                tf.RaggedTensor.from_tensor(history_event_type),
                "",
            )
        if request_timestamp is None:
            request_timestamp = tf.zeros_like(user_id, tf.int64)
        if exclude_item_id is not None:
            raw[f.ITEM_ID] = tf.RaggedTensor.from_tensor(exclude_item_id, padding="")
        features, excluded = self._features(self._transformed(raw))
        features[f.EXCLUDED_ITEM_INDEX] = excluded
        features |= self._context_at(request_timestamp)
        features |= self._ages(raw, user_features)
        k = tf.minimum(k, self.num_items - f.NUM_RESERVED)
        row, score = self._listed(features, request_timestamp, k, filter)
        is_left = score > -float("inf")
        item_id = tf.gather(self.item_ids, tf.where(is_left, row + f.NUM_RESERVED, 0))
        return {"item_id": item_id, "score": score}

    @tf.function(autograph=False)
    def similar(self, item_id: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the items whose vectors have the largest cosines with an item's.

        Only of a model that ``ScoresByProducts``. All vectors are compared, also if
        there is an index, which divides the items by their inner products. With rules,
        items that they block are left out.

        Args:
            item_id: Ids of the items, [B].
            k: How many items to return; fewer if the catalogue has fewer.

        Returns:
            ``item_id`` [B, k] and ``score`` [B, k], the cosines, best first, without
            the item itself; "" and -inf pad the lists, of which that of an item
            without a row of its own is empty.
        """
        # Not by the transform graph, of which this would be another copy. An unknown
        # id has index 0, as "" does.
        is_item = item_id[:, tf.newaxis] == self.item_ids
        item = tf.argmax(is_item, 1, output_type=tf.int32)
        if self.index:  # it has the vectors, which a tower would compute again
            row, vectors = self.index.row, self.index.vector
        else:
            row = tf.range(self.num_items - f.NUM_RESERVED)
            vectors = tf.cast(self.model.items(row + f.NUM_RESERVED), tf.float32)
        query = tf.cast(self.model.items(item), tf.float32)
        is_out = (row + f.NUM_RESERVED == item[:, tf.newaxis]) | (
            item[:, tf.newaxis] < f.NUM_RESERVED
        )
        if self.rules:
            is_out |= ~tf.gather(self.rules.listed_for()[0], row)
        place, score = nearest(query, vectors, is_out, k)
        is_left = score > -float("inf")
        place = tf.where(is_left, tf.gather(row, place) + f.NUM_RESERVED, 0)
        return {"item_id": tf.gather(self.item_ids, place), "score": score}

    @tf.function(autograph=False)
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Ranks the targets of eval or test records.

        Args:
            examples: Serialized Examples, [B], as ``RatingsExampleGen`` writes them.

        Returns:
            For each target, [B, T]: ``label`` (-1 for padding, for ratings that are
            neither likes nor dislikes and for events that are not judged), ``score``,
            ``probability`` of a like, ``error`` (in stars if scores are stars, or else
            of the probability) and ``rank`` (0 for padding and for users outside the
            sample); ``is_new``, 1 for items without a row of their own;
            ``more_popular``, the share of the training ratings that belong to more
            popular items (``ListStatistics``); and ``item_age``, the seconds from the
            item's first training rating, at least 0 and NaN if unknown. Probability and
            error are NaN if scores only put items in an order. For each user,
            ``num_candidates`` and ``catalogue_size`` [B], ``top_item`` [B, 10], the
            figures of ``ListStatistics`` [B] and ``index_recall`` [B], the share of
            ``top_item`` that the index finds (NaN without an index).
        """
        raw = self._parse(examples, {})
        transformed = self._transformed(raw)
        features, targets = self._features(transformed)
        times = fitted(transformed[f.ITEM_INDEX], transformed[f.TIMESTAMP], 0)
        features[f.TIMESTAMP] = times.to_tensor()
        features |= self._context_at(features[f.TIMESTAMP]) | self._ages(raw)
        ranked = self._ranked(raw[f.USER_ID][:, 0], features, targets)
        label = label_of_targets(transformed).to_tensor(f.NEITHER)
        probability = self._probability(ranked["score"])
        if self.unit == "stars":
            error = ranked["score"] - transformed[f.RATING].to_tensor()
        else:
            error = probability - tf.cast(label, tf.float32)
        is_new = (targets == f.UNKNOWN_INDEX) | (targets >= self.num_rows)
        catalogue_size = self.num_items - f.NUM_RESERVED + self.num_unknown_items
        lists = self.list_statistics(ranked["top_item"], features[f.HISTORY_ITEM_INDEX])
        return {
            **ranked,
            **lists,
            "index_recall": self._index_recall(features, ranked["top_item"]),
            "probability": probability,
            "error": error,
            "label": label,
            "is_new": tf.cast(is_new, tf.int64),
            "item_age": self._age(targets, features[f.TIMESTAMP]),
            "more_popular": tf.gather(self.list_statistics.more_popular, targets),
            "catalogue_size": tf.fill([tf.shape(targets)[0]], catalogue_size),
        }

    def _age(self, items: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
        """Returns the seconds from the first ratings of items [B, T] to times [B, T].

        They are NaN if one of the two is unknown.
        """
        first = tf.gather(self.first_rated, items)
        age = tf.cast(tf.maximum(times - first, 0), tf.float32)
        return tf.where((first == NEVER) | (times == 0), float("nan"), age)

    @tf.function(autograph=False)
    def update_items(
        self, item_id: tf.Tensor, available: tf.Tensor, **fields: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Replaces what an earlier call has changed; only of a model with a feed.

        Args:
            item_id: IDs of items, [N]. All others are available, with the values of the
                catalogue.
            available: Whether each of them is, [N].
            **fields: ``item_<field>`` → values of these items, [N, W], padded with "".
                Those of an item without any are the catalogue's.

        Returns:
            ``num_listed``: how many items may be listed; if that is 0, the former ones
            remain. ``num_unknown``: how many of the given ones are never listed.
        """
        assert self.rules
        row = self._rows_of(item_id)
        prefix = f.ITEM_FEATURE_PREFIX
        values = {name.removeprefix(prefix): value for name, value in fields.items()}
        return {
            "num_listed": self.rules.update(row, available, values),
            "num_unknown": tf.math.count_nonzero(row < 0),
        }

    @tf.function(autograph=False)
    def are_listed(self, item_id: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns whether the rules let lists contain items.

        Only of a model with rules that has no ``similar``, whose similar items are
        found outside of the model, by the likes.

        Args:
            item_id: Ids of the items, [N].

        Returns:
            ``is_listed`` [N]; false for items without a row of their own.
        """
        assert self.rules
        row = self._rows_of(item_id)
        is_listed = tf.gather(self.rules.listed_for()[0], tf.maximum(row, 0))
        return {"is_listed": is_listed & (row >= 0)}

    def _rows_of(self, item_id: tf.Tensor) -> tf.Tensor:
        """Returns the rows of items [N], below 0 for those without one."""
        nobody = tf.zeros([1, 0], tf.string)
        raw = self._raw_users(tf.constant([""]), nobody, tf.zeros([1, 0]), nobody)
        raw[f.ITEM_ID] = tf.RaggedTensor.from_row_lengths(item_id, [tf.size(item_id)])
        return self._transformed(raw)[f.ITEM_INDEX].flat_values - f.NUM_RESERVED

    def _ranked(
        self, user_id: tf.Tensor, features: dict[str, tf.Tensor], targets: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Returns ``rank_targets`` for the sampled users; ranks of 0 for others."""
        bucket = tf.strings.to_hash_bucket_strong(user_id, HASHES, list(HASH_KEY))
        is_in_sample = tf.cast(bucket, tf.float64) < self.share_of_users * HASHES
        # Without any user to rank, shapes would be unknown; the first one's ranks are
        # dropped below.
        is_first = tf.range(tf.shape(targets)[0]) == 0
        rows = tf.where(is_in_sample | is_first)[:, 0]
        ranked = rank_targets(
            self.scorer,
            {name: tf.gather(value, rows) for name, value in features.items()},
            tf.gather(targets, rows),
            self.candidates,
            NUM_TOP,
        )
        num_users = tf.shape(targets, tf.int64)[0]
        ranked = {
            name: tf.scatter_nd(
                rows[:, tf.newaxis],
                value,
                tf.concat([[num_users], tf.shape(value, tf.int64)[1:]], 0),
            )
            for name, value in ranked.items()
        }
        if self.share_of_users < 1:
            ranked["rank"] *= tf.cast(is_in_sample, tf.int64)[:, tf.newaxis]
            ranked["score"] = score_targets(
                self.scorer, features, targets, self.candidates
            )
        return ranked

    def _context_at(self, times: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns ``context`` [..., K] at times [...], if the model reads it."""
        return {f.CONTEXT: self.context(times)} if self.context else {}

    def _ages(
        self, raw: Mapping[str, tf.RaggedTensor], pairs: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Returns ``age`` [B], if the rules have a minimum age."""
        minimum_age = self.rules.minimum_age if self.rules else None
        return {f.AGE: minimum_age.of_users(raw, pairs)} if minimum_age else {}

    def _listed(
        self,
        features: dict[str, tf.Tensor],
        time: tf.Tensor,
        k: tf.Tensor,
        pairs: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the lists at a time [B] that filters [B, F] leave, as ``best`` does.

        An index might find none of the few items that the rules, a filter or a minimum
        age leave: such requests are answered by all scores.
        """

        def by_scores() -> tuple[tf.Tensor, tf.Tensor]:
            passes = None
            if self.rules and pairs is not None:
                passes = self.rules.matching(pairs)
            return best(self.scorer, features, time, self.candidates, k, passes)

        if not self.index:
            return by_scores()
        row, score, num_searched = self._found(self.index, features, time, k)
        found = row, score
        if not self.rules:
            return found
        is_filtered = self._is_limited(num_searched, features)[:, tf.newaxis]
        if pairs is not None:
            is_filtered |= tf.reduce_any(pairs != "", 1, keepdims=True)

        def of_each() -> tuple[tf.Tensor, tf.Tensor]:
            row, score = (
                tf.where(is_filtered, one, other)
                for one, other in zip(by_scores(), found, strict=True)
            )
            return row, score

        return tf.cond(tf.reduce_any(is_filtered), of_each, lambda: found)

    def _is_limited(
        self, num_searched: tf.Tensor, features: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """Returns for which users [B] an index may not find what the rules leave.

        Those for whom the lists that it searches have few items [B], whatever k is:
        pages must be parts of one list. And those who are too young for an item.
        """
        if not self.rules:
            return tf.fill(tf.shape(num_searched), False)
        is_limited = num_searched < FEW
        if f.AGE in features:
            is_limited |= ~self.rules.may_see_all(features[f.AGE])
        return is_limited

    def _found(
        self,
        index: ItemIndex,
        features: dict[str, tf.Tensor],
        time: tf.Tensor,
        k: tf.Tensor,
    ) -> Found:
        """Returns the lists at a time [B] that the index finds."""
        is_out = left_out_until(features) > time[:, tf.newaxis]
        history = tf.cast(features[f.HISTORY_ITEM_INDEX], tf.int32) - f.NUM_RESERVED
        left_out = tf.where(is_out, history, NO_ROW)
        if f.EXCLUDED_ITEM_INDEX in features:
            excluded = tf.cast(features[f.EXCLUDED_ITEM_INDEX], tf.int32)
            left_out = tf.concat([left_out, excluded - f.NUM_RESERVED], 1)
        enough, is_listed = k, None
        if self.rules:
            enough = tf.maximum(k, self.rules.pool) if self.rules.has_order else k
            is_listed = self.rules.is_listed
        found = found_by(index, self.model, features, left_out, enough, is_listed)
        row, score = found.row, found.score
        if self.rules:
            row, score = self.rules.listed(row, score)
        return Found(row[:, :k], score[:, :k], found.num_searched)

    def _index_recall(
        self, features: dict[str, tf.Tensor], top_item: tf.Tensor
    ) -> tf.Tensor:
        if not self.index:
            return tf.fill(tf.shape(top_item)[:1], float("nan"))
        first = tf.pad(features[f.TIMESTAMP], [[0, 0], [0, 1]])[:, 0]  # as ranked
        features = features | self._context_at(first)
        row, score, num_searched = self._found(
            self.index, features, first, tf.shape(top_item)[1]
        )
        row = tf.where(score > -float("inf"), row, NO_ROW)
        is_found = top_item[:, :, tf.newaxis] == row[:, tf.newaxis] + f.NUM_RESERVED
        is_limited = self._is_limited(num_searched, features)
        is_found |= is_limited[:, tf.newaxis, tf.newaxis]  # by scores
        is_item = top_item != f.PADDING_INDEX
        num_found = tf.math.count_nonzero(
            tf.reduce_any(is_found, 2) & is_item, 1, dtype=tf.float32
        )
        return num_found / tf.math.count_nonzero(is_item, 1, dtype=tf.float32)

    def _probability(self, score: tf.Tensor) -> tf.Tensor:
        if self.unit == "logit":
            return tf.nn.sigmoid(score)
        return tf.fill(tf.shape(score), float("nan"))

    def _raw_users(
        self,
        user_id: tf.Tensor,
        history_item_id: tf.Tensor,
        history_rating: tf.Tensor,
        user_features: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Returns the inputs of ``recommend`` as raw features, without targets."""
        history = tf.RaggedTensor.from_tensor(history_item_id, padding="")
        rating = fitted(
            history, tf.RaggedTensor.from_tensor(history_rating), tf.float32.max
        )
        is_given = ~tf.math.is_nan(rating.flat_values)
        raw = {
            name: tf.RaggedTensor.from_row_splits(
                tf.zeros([0], dtype),
                tf.zeros_like(history.row_splits),
                validate=False,  # checks would be half of the graph's functions
            )
            for name, dtype in self.list_types.items()
        } | {
            f.USER_ID: user_id[:, tf.newaxis],
            f.HISTORY_ITEM_ID: history,
            f.HISTORY_RATING: rating.with_flat_values(
                tf.where(is_given, rating.flat_values, tf.float32.max)
            ),
        }
        return raw | {
            name: values_of(name, user_features, self.list_types[name])
            for name in raw
            if f.is_user_feature(name)
        }

    def _parse(
        self, examples: tf.Tensor, more: Mapping[str, tf.DType]
    ) -> dict[str, tf.RaggedTensor]:
        lists = {
            name: tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)
            for name, dtype in {**self.list_types, **more}.items()
        }
        no_user = tf.io.FixedLenFeature([1], tf.string, default_value=b"")
        return tf.io.parse_example(examples, {f.USER_ID: no_user, **lists})

    def _transformed(
        self, raw: Mapping[str, tf.RaggedTensor]
    ) -> dict[str, tf.RaggedTensor]:
        """Returns the transformed features, with the indices of new items."""
        transformed = self.transform.transform_fn(raw)
        if self.new_items is None:
            return transformed
        ids = {f.ITEM_INDEX: f.ITEM_ID, f.HISTORY_ITEM_INDEX: f.HISTORY_ITEM_ID}
        for index, item_id in ids.items():
            known = transformed[index]
            new = self.new_items.lookup(raw[item_id].flat_values)
            transformed[index] = known.with_flat_values(
                tf.maximum(known.flat_values, new)
            )
        return transformed

    def _features(
        self, transformed: Mapping[str, tf.RaggedTensor]
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns the users' features and ``item_index`` [B, C], padded with 0."""
        user = transformed[f.USER_INDEX][:, 0]
        fields = {
            name: given_or_known(
                dense(transformed[name]),
                tf.gather(table, user),
                dense(transformed[f.field_of(name)]),
            )
            for name, table in self.user_fields.items()
        }
        history = transformed[f.HISTORY_ITEM_INDEX]
        times = {}
        if self.reads_times:
            times[f.HISTORY_TIMESTAMP] = times_of(
                history, transformed[f.HISTORY_TIMESTAMP]
            )
        events = {}
        if f.HISTORY_LEFT_OUT in transformed:
            events[f.HISTORY_LEFT_OUT] = transformed[f.HISTORY_LEFT_OUT].to_tensor()
        if self.is_weighted:
            events[f.HISTORY_WEIGHT] = weights_of(transformed)
        again = again_from(history, transformed[f.HISTORY_TIMESTAMP], self.again_after)
        return fields | times | events | again | {
            f.USER_INDEX: user,
            f.HISTORY_ITEM_INDEX: history.to_tensor(),
            f.HISTORY_LABEL: transformed[f.HISTORY_LABEL].to_tensor(),
        }, transformed[f.ITEM_INDEX].to_tensor()


def _table(item_ids: Sequence[bytes], first: int) -> tf.lookup.StaticHashTable | None:
    """Returns the indices of items from ``first`` on; None without any items."""
    if not item_ids:
        return None
    indices = tf.range(first, first + len(item_ids), dtype=tf.int64)
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant(item_ids), indices),
        default_value=f.UNKNOWN_INDEX,
    )


def _tree(variables: Mapping[str, tf.Variable]) -> tf.Module:
    """Returns modules with the variables as attributes, by paths like ``a.b.kernel``.

    A warm start finds the variables of an exported model by these paths.
    """
    root = tf.Module()
    for path, variable in variables.items():
        *parents, name = path.split(".")
        node = root
        for parent in parents:
            if not hasattr(node, parent):
                setattr(node, parent, tf.Module())
            node = getattr(node, parent)
        setattr(node, name, variable)
    return root
