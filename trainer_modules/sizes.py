"""What the data decide about a model: the number of ids, and the fields."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.feature_buckets import in_buckets, quantiles
from trainer_modules.feature_vectors import given_vectors, scaled
from trainer_modules.feature_weights import split_weights

Table = npt.NDArray[np.int32] | npt.NDArray[np.float32]


class Weighted(NamedTuple):
    """The values of a field whose values have weights.

    Attributes:
        values: Indices of the values, [V, L] padded with 0.
        weights: Their weights, [V, L] padded with 0.
    """

    values: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


Vocabulary = Literal["user", "item", "user_value", "item_value", "context_value"]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of the tables that a model needs, and its fields beside the two ids.

    Attributes:
        num_users: Number of rows of a user table, including the reserved ones.
        num_items: V, number of rows of an item table, including the reserved ones.
        user_fields: Transformed side features of users, such as ``user_gender_index``.
        user_vectors: Length of each of them that is a vector.
        user_weights: Transformed feature with the weights of the values of each of them
            that has weights.
        num_user_values: Number of rows of the table with the values of all user fields.
        item_fields: Side features of all ``num_listed`` items by name: [V, L] indices
            of their values, padded with 0, with their weights if they have them, or
            [V, D] numbers of their vectors; a row of 0 if an item has no value.
        num_item_values: Number of rows of the table with the values of all item fields.
        num_context_fields: K, number of the fields of a time (``time_context.py``).
        num_context_values: Number of rows of the table with their values.
        mean_rating: Mean of the training ratings, in stars.
        num_new_items: Number of items without a row of their own that the model lists;
            their indices follow those of the rows.
        sharded_from: From how many rows on a table is divided among the workers; None
            for never.
    """

    num_users: int
    num_items: int
    user_fields: tuple[str, ...] = ()
    user_vectors: Mapping[str, int] = dataclasses.field(default_factory=dict)
    user_weights: Mapping[str, str] = dataclasses.field(default_factory=dict)
    num_user_values: int = f.NUM_RESERVED
    item_fields: Mapping[str, Table | Weighted] = dataclasses.field(
        default_factory=dict
    )
    num_item_values: int = f.NUM_RESERVED
    num_context_fields: int = 0
    num_context_values: int = f.NUM_RESERVED
    mean_rating: float = 0.0
    num_new_items: int = 0
    sharded_from: int | None = None

    @property
    def num_listed(self) -> int:
        """Number of indices of items, including the reserved ones."""
        return self.num_items + self.num_new_items

    @property
    def num_fields(self) -> int:
        """F, the number of fields: both ids, side features, and those of the time."""
        side_features = len(self.user_fields) + len(self.item_fields)
        return 2 + side_features + self.num_context_fields

    def num_unlisted(self, num_items: int) -> int:
        """Returns how many of so many distinct items have no index of their own."""
        return max(0, num_items - (self.num_listed - f.NUM_RESERVED))

    def is_sharded(self, vocabulary: Vocabulary) -> bool:
        """Returns whether a vocabulary's table is divided among the workers."""
        return self.sharded_from is not None and (
            self.rows(vocabulary) >= self.sharded_from
        )

    def rows(self, vocabulary: Vocabulary) -> int:
        """Returns the number of rows of a vocabulary's table, with reserved ones."""
        return {
            "user": self.num_users,
            "item": self.num_items,
            "user_value": self.num_user_values,
            "item_value": self.num_item_values,
            "context_value": self.num_context_values,
        }[vocabulary]


def user_fields(vocabulary: Sequence[bytes]) -> tuple[str, ...]:
    """Returns the transformed features of which a vocabulary has a "name=value"."""
    names = {entry.partition(b"=")[0].decode() for entry in vocabulary if b"=" in entry}
    return tuple(f.index_of(name) for name in sorted(names))


def user_vectors(feature_spec: Mapping[str, Any]) -> dict[str, int]:
    """Returns the lengths of the users' vectors among the transformed features."""
    return {
        name: spec.shape[0]
        for name, spec in sorted(feature_spec.items())
        if name.startswith(f.USER_FEATURE_PREFIX) and name.endswith(f.vector_of(""))
    }


def user_weights(feature_spec: Mapping[str, Any]) -> dict[str, str]:
    """Returns the weights among the transformed features, by the field they weight."""
    suffix = f.weight_of("")
    return {
        f.index_of(name.removesuffix(suffix)): name
        for name in sorted(feature_spec)
        if name.startswith(f.USER_FEATURE_PREFIX) and name.endswith(suffix)
    }


def new_items(catalogue: str, item_ids: Sequence[bytes]) -> list[bytes]:
    """Returns the ids of the catalogue's items that a vocabulary lacks, sorted."""
    known = set(item_ids)
    ids = (id.encode() for id in read_items(catalogue)[f.ITEM_ID].to_pylist())
    return sorted(item_id for item_id in ids if item_id not in known)


def with_values(
    new_ids: Sequence[bytes],
    item_fields: Mapping[str, Table | Weighted],
    num_items: int,
) -> tuple[list[bytes], dict[str, Table | Weighted]]:
    """Drops the new items that share no value of a side feature with any other.

    Args:
        new_ids: Ids of the items in the last rows of the tables.
        item_fields: The tables of ``read_item_fields``.
        num_items: V, number of rows before those.

    Returns:
        The ids of the others, and the tables without the rows of those dropped.
    """
    has_value = np.zeros(len(new_ids), np.bool_)
    for field in item_fields.values():
        table = field.values if isinstance(field, Weighted) else field
        is_value = table != 0 if table.dtype.kind == "f" else table >= f.NUM_RESERVED
        has_value |= is_value[num_items:].any(1)
    rows = np.append(np.arange(num_items), num_items + np.flatnonzero(has_value))
    kept = [item_id for item_id, has in zip(new_ids, has_value, strict=True) if has]
    return kept, {
        name: Weighted(*(table[rows] for table in field))
        if isinstance(field, Weighted)
        else field[rows]
        for name, field in item_fields.items()
    }


def read_items(catalogue: str) -> pa.Table:
    """Returns the items in the folder of a Catalogue artifact."""
    with tf.io.gfile.GFile(f"{catalogue}/{f.CATALOGUE_FILE}", "rb") as file:
        return pq.read_table(pa.BufferReader(file.read()))


def read_item_fields(
    catalogue: str,
    item_ids: Sequence[bytes],
    without: Sequence[str] = (),
    new_ids: Sequence[bytes] = (),
) -> tuple[dict[str, Table | Weighted], list[bytes]]:
    """Reads the catalogue's side features as tables by item index.

    Boundaries between buckets of numbers are the quantiles over ``item_ids``.

    Args:
        catalogue: Folder of the artifact.
        item_ids: The vocabulary of items, without the reserved rows.
        without: Names of features to leave out.
        new_ids: Items whose rows follow, and which decide nothing.

    Returns:
        The features as in ``Sizes.item_fields``, vectors scaled by those of the items
        in the vocabulary; and the vocabulary of the values of all
        features but vectors, "name=value", without the reserved rows.
    """
    items, num_known = read_items(catalogue), len(item_ids)
    names = [
        name
        for name in items.column_names
        if f.is_item_feature(name) and name not in without
    ]
    row_of = {id.encode(): row for row, id in enumerate(items[f.ITEM_ID].to_pylist())}
    rows = [row_of[item_id] for item_id in (*item_ids, *new_ids)]
    tables: dict[str, Table | Weighted] = {}
    values: dict[str, list[Any]] = {}
    weights: dict[str, list[list[float]]] = {}
    for name in names:
        found = items[name].take(pa.array(rows, pa.int64())).combine_chunks()
        kind = f.Kind.of_texts(items.schema.field(name).metadata or {})
        if kind and kind.is_vector:
            vectors = _vectors(found, kind.size, num_known)
            if vectors.any():
                tables[name] = vectors
            continue
        values[name] = [row or [] for row in found.to_pylist()]
        if kind and kind.is_weighted:
            texts = tf.ragged.constant(values[name], tf.string, ragged_rank=1)
            categories, weight = split_weights(texts)
            values[name], weights[name] = _texts(categories), weight.to_list()
        elif kind:
            values[name] = _in_buckets(values[name], kind, num_known)
    vocabulary = {
        pair: index
        for index, pair in enumerate(
            sorted(
                {
                    (name, value)
                    for name in values
                    for row in values[name][:num_known]
                    for value in row
                }
            ),
            start=f.NUM_RESERVED,
        )
    }
    for name, of_items in values.items():
        indices = [
            [vocabulary.get((name, value), f.UNKNOWN_INDEX) for value in row]
            for row in of_items
        ]
        table = np.asarray(_padded(indices), np.int32)
        if not table[: f.NUM_RESERVED + num_known].any():
            continue
        tables[name] = table
        if name in weights:
            weight = np.asarray(_padded(weights[name]), np.float32)
            tables[name] = Weighted(table, weight)
    tables = {name: tables[name] for name in names if name in tables}
    return tables, [f"{name}={value}".encode() for name, value in vocabulary]


def _padded(of_items: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    """Returns lists padded with 0, [V, L]; those of the reserved rows are empty."""
    longest = max(map(len, of_items), default=0)
    table = np.zeros([f.NUM_RESERVED + len(of_items), longest])
    for index, row in enumerate(of_items, start=f.NUM_RESERVED):
        table[index, : len(row)] = row
    return table


def _texts(values: tf.RaggedTensor) -> list[list[str]]:
    return [[value.decode() for value in row] for row in values.to_list()]


def _in_buckets(
    rows: Sequence[Sequence[Any]], kind: f.Kind, num_known: int
) -> list[list[str]]:
    """Returns the buckets of each item's values; the first items set the bounds."""
    dtype = tf.float32 if kind.has_numbers else tf.string
    values = tf.ragged.constant(rows, dtype, ragged_rank=1)

    def boundaries(numbers: tf.Tensor, buckets: int) -> tf.Tensor:
        known = values[:num_known].flat_values
        return quantiles(known[tf.math.is_finite(known)], buckets)

    return _texts(in_buckets(values, kind, boundaries))


def _vectors(lists: pa.ListArray, size: int, num_known: int) -> npt.NDArray[np.float32]:
    """Returns the vectors of items, [V, D], scaled by those of the first items.

    Reserved rows have none.
    """
    values = tf.RaggedTensor.from_row_lengths(
        np.asarray(lists.flatten(), np.float32),
        lists.value_lengths().fill_null(0).to_numpy(),
    )
    vectors = given_vectors(values, size).numpy()
    given = vectors[:num_known]
    given = given[~np.isnan(given).any(1)]
    if not len(given):
        given = np.zeros([1, size], np.float32)
    mean, variance = given.mean(0, np.float64), given.var(0, np.float64)
    of_items = scaled(vectors, mean, variance).numpy()
    return np.pad(of_items, [(f.NUM_RESERVED, 0), (0, 0)])
