"""Reads transformed user records for training and for its eval metric."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.disk_arrays import Writer, blocks, computed, tensor
from trainer_modules.interactions import Interactions, Ratings, Seconds, Stars
from trainer_modules.labels import label_of_targets
from trainer_modules.left_out import again_from
from trainer_modules.list_rules import ListRules
from trainer_modules.request_lists import fitted, times_of, weights_of
from trainer_modules.sizes import Sizes, Table
from trainer_modules.time_context import TimeContext

READ_BATCH = 512  # user records that are parsed at once
NEVER = np.iinfo(np.int64).max  # seconds


@dataclasses.dataclass(frozen=True)
class Data:
    """What a Trainer is given; each part is read once, at its first use.

    Attributes:
        train_files: File patterns of the transformed ``train`` records.
        eval_files: File patterns of the transformed ``eval`` records.
        feature_spec: Describes how to parse a record.
        sizes: Table sizes and fields of the model.
        num_unknown_items: Number of items in train and eval without an index.
            Items that are first rated in the test do not count: training must learn
            nothing about it.
        item_values: Vocabulary of the items' side features, "name=value", without the
            reserved rows; it goes into the exported model.
        new_items: Ids of the items without a row of their own that the model lists, in
            the order of their indices.
        reads_times: Whether the model reads the times of ratings.
        counts_repeats: Whether each of several rows of a pair counts, with its weight.
        again_after: For how many seconds items are left out of lists (``left_out.py``);
            None for ever.
        context: The fields of the times of ratings; None if the model reads none.
        rules: What lists may contain, and in which order; None without rules.
    """

    train_files: list[str]
    eval_files: list[str]
    feature_spec: Mapping[str, object]
    sizes: Sizes
    num_unknown_items: int
    item_values: Sequence[bytes] = ()
    new_items: Sequence[bytes] = ()
    reads_times: bool = False
    counts_repeats: bool = False
    again_after: int | None = None
    context: TimeContext | None = None
    rules: ListRules | None = None

    def records(self, file_patterns: Sequence[str], *names: str) -> tf.data.Dataset:
        """Returns batches of user records.

        Args:
            file_patterns: Patterns of the files to read.
            *names: Features to parse.

        Returns:
            Batches with ``user_index`` [B, 1] and lists, ragged [B, (N)].
        """
        spec = {name: self.feature_spec[name] for name in names}
        # If a cluster's job lost a worker and was restarted, the folder of Beam's first
        # attempt matches too.
        files = [
            path
            for pattern in file_patterns
            for path in tf.io.gfile.glob(pattern)
            if not tf.io.gfile.isdir(path)
        ]
        return (
            records_of(sorted_by_first_user(files))
            .batch(READ_BATCH)
            .map(lambda serialized: tf.io.parse_example(serialized, spec))
        )

    @functools.cached_property
    def train_ratings(self) -> Ratings:
        """The ratings to learn from."""
        return read_ratings(self, self.train_files)

    @functools.cached_property
    def eval_ratings(self) -> Ratings:
        """The ratings that choose the epoch."""
        return read_ratings(self, self.eval_files)

    def first_rated(self) -> Seconds:
        """Returns when each item was first rated in train, [V], in seconds UTC.

        The time is ``NEVER`` for the reserved rows, which stand for several items, and
        for items without a time.
        """
        first = np.full(self.sizes.num_listed, NEVER)
        for batch in self.records(self.train_files, f.ITEM_INDEX, f.TIMESTAMP):
            times = fitted(batch[f.ITEM_INDEX], batch[f.TIMESTAMP], 0).flat_values
            item = batch[f.ITEM_INDEX].flat_values.numpy()
            np.minimum.at(first, item, np.where(times == 0, NEVER, times))
        first[: f.NUM_RESERVED] = NEVER
        return first

    @property
    def has_judged(self) -> bool:
        """Whether only some rows are judged, or left out of lists."""
        return f.JUDGED in self.feature_spec

    @property
    def has_weights(self) -> bool:
        """Whether the ratings are weights of events."""
        return f.HISTORY_WEIGHT in self.feature_spec

    @functools.cached_property
    def is_weighted(self) -> bool:
        """Whether pairs differ in their weights; context, of weight 0, apart."""
        if self.counts_repeats:
            return True
        if not self.has_weights:
            return False
        rating = self.train_ratings.rating
        return any(
            (~np.isin(np.abs(rating[rows]), (0, 1))).any()
            for rows in blocks(len(rating))
        )

    def context_of(
        self, ratings: Ratings
    ) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        """Returns a function of rows [B] of ratings that returns their ``context``.

        It returns nothing if the model reads none.

        Raises:
            ValueError: If the model reads it, and no rating has a time.
        """
        context, times = self.context, ratings.timestamp
        if context is None or times is None:
            return lambda rows: {}
        if not times.any():
            raise ValueError(
                "context.fields is set, but no rating has a time: name the column, as "
                "in data.columns={timestamp: when}, or remove the setting"
            )
        time = tensor(times)
        return lambda rows: {f.CONTEXT: context(tf.gather(time, rows))}

    def weights(self, ratings: Ratings) -> Stars | None:
        """Returns how much each rating counts, [N]; None if all count 1."""
        if not self.is_weighted:
            return None
        rating = ratings.rating
        weight = np.abs if self.has_weights else np.ones_like
        return computed(lambda rows: weight(rating[rows]), len(rating), np.float32)

    @functools.cached_property
    def user_fields(self) -> dict[str, Table]:
        """The users' fields by name, [num_users, L]: indices, weights or vectors."""
        return read_user_fields(self)

    def ratings_of_both_splits(self) -> Ratings:
        """Returns the train and the eval ratings together."""
        return self.train_ratings.joined(self.eval_ratings)

    def interactions(self, ratings: Ratings) -> Interactions:
        """Returns the distinct pairs of ratings, with their weights added up."""
        return Interactions.from_pairs(
            ratings.user_index,
            ratings.item_index,
            self.sizes.num_users,
            self.sizes.num_items,
            self.weights(ratings),
        )


def records_of(files: Sequence[str]) -> tf.data.Dataset:
    """Returns the serialized records of some files, one file after the other."""
    return tf.data.TFRecordDataset(files, compression_type="GZIP")


def sorted_by_first_user(files: Iterable[str]) -> list[str]:
    """Returns files of transformed records in the order of their first users.

    If Transform ran in several processes, each wrote a file. The records in a file are
    the same in each run, but not its name, nor the order of the fields in its bytes.
    """

    def first_user(file: str) -> tuple[int, ...]:
        records = records_of([file]).take(1).as_numpy_iterator()
        return tuple(
            user
            for record in map(tf.train.Example.FromString, records)
            for user in record.features.feature[f.USER_INDEX].int64_list.value
        )

    return sorted(files, key=first_user)


def read_ratings(data: Data, file_patterns: Sequence[str]) -> Ratings:
    """Reads the targets of all records as pairs."""
    dtypes: dict[str, type] = {
        f.USER_INDEX: np.int32,
        f.ITEM_INDEX: np.int32,
        f.LABEL: np.int32,
        f.RATING: np.float32,
    }
    reads_times = data.reads_times or data.context is not None
    if reads_times:
        dtypes[f.TIMESTAMP] = np.int64
    if data.has_judged:
        dtypes[f.JUDGED] = np.int32
    columns = {name: Writer(dtype) for name, dtype in dtypes.items()}
    for batch in data.records(file_patterns, *dtypes):
        row = batch[f.ITEM_INDEX].value_rowids()
        if reads_times:  # a log without times has none
            batch[f.TIMESTAMP] = fitted(batch[f.ITEM_INDEX], batch[f.TIMESTAMP], 0)
        columns[f.USER_INDEX].append(tf.gather(batch.pop(f.USER_INDEX)[:, 0], row))
        for name, lists in batch.items():
            columns[name].append(lists.flat_values)
    return Ratings(**{name: column.array() for name, column in columns.items()})


def dense(values: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
    """Returns lists padded with 0, [B, L]; vectors are not ragged."""
    return values.to_tensor() if isinstance(values, tf.RaggedTensor) else values


def read_user_fields(data: Data) -> dict[str, Table]:
    """Reads the users' side features: by name, [num_users, L] padded with 0."""
    sizes = data.sizes
    fields = (*sizes.user_fields, *sizes.user_weights.values())
    if not fields:
        return {}
    batches = [
        {name: dense(values).numpy() for name, values in batch.items()}
        for batch in data.records(data.train_files, f.USER_INDEX, *fields)
    ]
    tables: dict[str, Table] = {}
    for field in fields:
        is_index = field.endswith(f.index_of(""))
        dtype: type = np.int32 if is_index else np.float32
        longest = max(batch[field].shape[1] for batch in batches)
        table: Table = np.zeros([sizes.num_users, longest], dtype)
        for batch in batches:
            found = batch[field]
            table[batch[f.USER_INDEX][:, 0], : found.shape[1]] = found
        tables[field] = table
    return tables


def eval_users(data: Data, limit: int) -> tf.data.Dataset:
    """Returns the first ``limit`` users who liked a target of the eval split.

    They are a sample, as users are in the order of a hash. A batch is not cut, so that
    there may be up to 511 users more.

    Returns:
        Batches of ``user_index`` [B]; ``history_item_index`` and ``history_label`` [B,
        H]; ``history_timestamp`` [B, H] if the model reads times; ``history_left_out``
        [B, H] if only some rows are judged, ``history_weight`` [B, H] if rows differ in
        their weights, and ``history_again_from`` [B, H] and ``timestamp`` [B, T] if
        items are recommended again; ``context`` [B, T, K] and ``timestamp`` if the
        model reads it; ``item_index`` (the targets), ``label`` and
        ``rating`` [B, T], padded with 0 (labels with -1, also those of rows that are
        not judged); and the users' fields [B, L].
    """
    reads_again = data.again_after is not None
    needs_target_times = reads_again or data.context is not None
    names = (
        f.USER_INDEX,
        f.ITEM_INDEX,
        f.LABEL,
        f.RATING,
        f.HISTORY_ITEM_INDEX,
        f.HISTORY_LABEL,
        *((f.HISTORY_TIMESTAMP,) if data.reads_times or reads_again else ()),
        *((f.TIMESTAMP,) if needs_target_times else ()),
        *((f.JUDGED, f.HISTORY_LEFT_OUT) if data.has_judged else ()),
        *((f.HISTORY_WEIGHT,) if data.is_weighted and data.has_weights else ()),
        *data.sizes.user_fields,
        *data.sizes.user_weights.values(),
    )

    def padded(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        user = batch.pop(f.USER_INDEX)
        label = label_of_targets(batch).to_tensor(f.NEITHER)
        times = batch.pop(f.HISTORY_TIMESTAMP, None)
        history = batch[f.HISTORY_ITEM_INDEX]
        kept = {n: v for n, v in batch.items() if n not in (f.LABEL, f.JUDGED)}
        lists = {name: dense(values) for name, values in kept.items()}
        if reads_again:
            lists |= again_from(history, times, data.again_after)
        if needs_target_times:
            known = fitted(batch[f.ITEM_INDEX], batch[f.TIMESTAMP], 0)
            lists[f.TIMESTAMP] = known.to_tensor()
        if data.context:
            lists[f.CONTEXT] = data.context(lists[f.TIMESTAMP])
        if data.reads_times:
            lists[f.HISTORY_TIMESTAMP] = times_of(history, times)
        if data.is_weighted:
            lists[f.HISTORY_WEIGHT] = weights_of(batch)
        return lists | {f.USER_INDEX: user[:, 0], f.LABEL: label}

    def counted(
        before: tf.Tensor, batch: dict[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, dict[str, tf.Tensor]]]:
        liked = tf.reduce_any(label_of_targets(batch) == f.LIKED, 1)
        kept = {name: tf.ragged.boolean_mask(v, liked) for name, v in batch.items()}
        return before + tf.math.count_nonzero(liked), (before, kept)

    return (
        data.records(data.eval_files, *names)
        .scan(tf.constant(0, tf.int64), counted)
        .take_while(lambda before, _: before < limit)
        .map(lambda _, batch: batch)
        .filter(lambda batch: tf.shape(batch[f.USER_INDEX])[0] > 0)
        .map(padded)
    )
