"""Finds the items with the largest inner products without scoring them all.

An inverted file (Jégou, Douze, Schmid: "Product Quantization for Nearest Neighbor
Search", IEEE TPAMI 2011, https://doi.org/10.1109/TPAMI.2010.57, section IV, without
quantising the vectors): k-means divides the items into lists, and a query scores the
items of the lists whose centroids are nearest. Inner products become distances by one
more coordinate that gives all items the same length (Bachrach et al.: "Speeding Up the
Xbox Recommender System Using a Euclidean Transformation for Inner-Product Spaces",
RecSys 2014, https://doi.org/10.1145/2645710.2645741, section 3). It consists of plain
TensorFlow operations, so that TensorFlow Serving loads it with the model.
Shapes: B queries, D length of the vectors, V items, L lists, H items left out, N items
found.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.protocols import products_of

Floats = npt.NDArray[np.float32]

ITERATIONS = 10  # of k-means
SAMPLE = 64  # items per list that k-means sees
BLOCK = 8192  # items compared with all centroids at once
NO_ROW = -1


class Found(NamedTuple):
    """What a search found for B queries.

    Attributes:
        row: Rows of the items, [B, N], best first. Where there are fewer, NO_ROW.
        score: Their inner products or scores, [B, N]; -inf for NO_ROW.
        num_searched: How many items were scored that may be found, [B].
    """

    row: tf.Tensor
    score: tf.Tensor
    num_searched: tf.Tensor


class ItemIndex(tf.Module):
    """The items' vectors, ordered by the list that they are in.

    Attributes:
        num_probes: How many lists a query scores.
    """

    def __init__(self, vectors: Floats, num_lists: int, num_probes: int):
        """Divides the items into lists.

        Args:
            vectors: Vectors of all items, [V, D].
            num_lists: L, at most V.
            num_probes: How many lists a query scores, at most L.
        """
        super().__init__()
        self.num_probes = num_probes
        points = _of_equal_length(vectors)  # [V, D + 1]
        centroids = _k_means(points, num_lists, np.random.default_rng(0))
        nearest = _nearest(points, centroids)
        order = np.argsort(nearest, kind="stable").astype(np.int32)
        counts = np.bincount(nearest, minlength=num_lists)
        # Variables are saved beside the graph, which must stay below 2 GB.
        self.begin = _fixed(np.cumsum(counts) - counts, tf.int32)  # [L]
        self.count = _fixed(counts, tf.int32)  # [L]
        self.row = _fixed(order, tf.int32)  # [V]
        self.vector = _fixed(vectors[order], tf.float32)  # [V, D]
        # ||q - c||^2 without ||q||^2, which is the same for all lists; the coordinate
        # that was added is 0 in a query.
        self.centroid = _fixed(centroids[:, :-1], tf.float32)  # [L, D]
        self.half_square = _fixed((centroids**2).sum(1) / 2, tf.float32)  # [L]

    def search(
        self,
        query: tf.Tensor,
        left_out: tf.Tensor,
        num_found: tf.Tensor,
        is_listed: tf.Tensor | None = None,
    ) -> Found:
        """Returns the items with the largest inner products, best first.

        Args:
            query: Vectors, [B, D].
            left_out: Rows of items that are not returned, [B, H], padded with NO_ROW.
            num_found: N.
            is_listed: Whether each item may be found, [V]; None if all may.
        """
        near = tf.matmul(query, self.centroid, transpose_b=True) - self.half_square
        lists = tf.math.top_k(near, self.num_probes, sorted=False).indices  # [B, P]
        return tf.map_fn(
            lambda one: self._best(one, num_found, is_listed),
            (query, lists, tf.cast(left_out, tf.int32)),
            fn_output_signature=Found(tf.int32, tf.float32, tf.int32),
        )

    def _best(
        self,
        one: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
        num_found: tf.Tensor,
        is_listed: tf.Tensor | None,
    ) -> Found:
        query, lists, left_out = one  # [D], [P], [H]
        begin, count = tf.gather(self.begin, lists), tf.gather(self.count, lists)
        place = tf.ragged.range(begin, begin + count).flat_values  # [S]
        if is_listed is not None:
            place = tf.boolean_mask(
                place, tf.gather(is_listed, tf.gather(self.row, place))
            )
        score = tf.linalg.matvec(tf.gather(self.vector, place), query)
        # As many more as may be left out of them.
        enough = tf.minimum(num_found + tf.size(left_out), tf.size(score))
        top = tf.math.top_k(score, enough)
        row = tf.gather(self.row, tf.gather(place, top.indices))
        is_out = tf.reduce_any(row[:, tf.newaxis] == left_out, 1)
        row = tf.boolean_mask(row, ~is_out)[:num_found]
        score = tf.boolean_mask(top.values, ~is_out)[:num_found]
        missing = [[0, num_found - tf.size(row)]]
        return Found(
            tf.pad(row, missing, constant_values=NO_ROW),
            tf.pad(score, missing, constant_values=-float("inf")),
            tf.size(place),
        )


def item_index(
    model: tf.keras.Model, num_items: int, num_probes: int
) -> ItemIndex | None:
    """Returns an index of a model's items, of which the reserved ones are left out.

    Args:
        model: The model; None is returned for one that neither scores by products nor
            retrieves candidates by a model that does.
        num_items: V, including the reserved rows.
        num_probes: How many lists a query scores; all if there are fewer.
    """
    products = products_of(model)
    if products is None:
        return None
    vectors = [
        tf.cast(products.items(tf.range(at, min(at + BLOCK, num_items))), tf.float32)
        for at in range(f.NUM_RESERVED, num_items, BLOCK)
    ]
    lists = num_lists(num_items - f.NUM_RESERVED)
    return ItemIndex(tf.concat(vectors, 0).numpy(), lists, min(num_probes, lists))


def num_lists(num_items: int) -> int:
    """Returns into how many lists an index divides so many items."""
    return min(math.ceil(4 * math.sqrt(num_items)), num_items)


def _fixed(values: npt.NDArray[Any], dtype: tf.DType) -> tf.Variable:
    return tf.Variable(values, trainable=False, dtype=dtype)


def _of_equal_length(vectors: Floats) -> Floats:
    """Adds a coordinate with which all vectors have the length of the longest."""
    squares = (vectors**2).sum(1)
    return np.column_stack([vectors, np.sqrt(squares.max() - squares)])


def _k_means(points: Floats, num_lists: int, random: np.random.Generator) -> Floats:
    """Returns the centroids of Lloyd's algorithm on a sample, [L, D]."""
    size = min(len(points), SAMPLE * num_lists)
    sample = points[random.choice(len(points), size, replace=False)]
    centroids = sample[random.choice(size, num_lists, replace=False)]
    for _ in range(ITERATIONS):
        nearest = tf.constant(_nearest(sample, centroids))
        sums = tf.math.unsorted_segment_sum(sample, nearest, num_lists).numpy()
        counts = np.bincount(nearest, minlength=num_lists)[:, np.newaxis]
        # A list that lost all of its items starts again from one of the sample.
        drawn = sample[random.choice(size, num_lists)]
        centroids = np.where(counts > 0, sums / np.maximum(counts, 1), drawn)
    return centroids.astype(np.float32)


def _nearest(points: Floats, centroids: Floats) -> npt.NDArray[np.int64]:
    """Returns the number of the nearest centroid of each point."""
    half_squares = (centroids**2).sum(1) / 2
    transposed = tf.constant(centroids.T)
    return np.concatenate(
        [
            tf.argmax(points[at : at + BLOCK] @ transposed - half_squares, 1).numpy()
            for at in range(0, len(points), BLOCK)
        ]
    )
