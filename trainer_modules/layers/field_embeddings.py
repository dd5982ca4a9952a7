"""Embeddings of the ids, of all side features of users and items, and of the time."""

from collections.abc import Iterable, Sequence

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.layers.decay import decay
from trainer_modules.layers.sharded_table import vector_table
from trainer_modules.sizes import Sizes, Vocabulary, Weighted


class FieldEmbeddings(tf.keras.layers.Layer):
    """Looks up one vector for each field of a user and an item.

    The fields of a pair are the user's id, the user's side features, those of the time
    (``time_context.py``), the item's id and the item's side features, in this order. A
    field with several values, such as the genres of a film, has the mean of their
    vectors (as in RecBole and DeepCTR), by their weights if they have any; a field
    without a known value has the zero vector.
    All user fields share one table of values, and all item fields another. A field that
    is a vector in the data is projected to D numbers by a matrix of its own, without a
    bias: a missing one has the zero vector too. In training, the vectors that are read
    decay.

    For example, with ``user_gender`` and ``item_genres`` as the only side features
    there are F = 4 fields, and a batch of 32 users with 5 candidates each and D = 16
    gives [32, 5, 4, 16].
    """

    def __init__(
        self,
        sizes: Sizes,
        dim: int,
        stddev: float = 0.01,
        l2: float = 0.0,
        num_zeros: int = 0,
    ):
        """Makes the tables.

        Args:
            sizes: Number of rows of each table, and the names of the fields.
            dim: D, length of each vector.
            stddev: Standard deviation of the random initial values.
            l2: Strength of the weight decay.
            num_zeros: How many numbers at the end of each vector start at 0.
        """
        super().__init__()
        self.l2 = l2
        self.user_fields = sizes.user_fields
        self.user_weights = sizes.user_weights
        self.item_fields = [
            Weighted(*map(tf.constant, table))
            if isinstance(table, Weighted)
            else tf.constant(table)
            for table in sizes.item_fields.values()
        ]
        item_vectors = [
            table.shape[1]
            for table in self.item_fields
            if not isinstance(table, Weighted) and table.dtype.is_floating
        ]

        def table(vocabulary: Vocabulary) -> tf.keras.layers.Layer:
            return vector_table(vocabulary, sizes, dim, stddev, num_zeros=num_zeros)

        def projections(lengths: Iterable[int]) -> list[tf.keras.layers.Layer]:
            return [Projection(n, dim, stddev, num_zeros) for n in lengths]

        self.user, self.item = table("user"), table("item")
        self.user_projections = projections(sizes.user_vectors.values())
        self.item_projections = projections(item_vectors)
        has_values = len(self.user_fields) > len(self.user_projections)
        self.user_value = table("user_value") if has_values else None
        has_values = len(self.item_fields) > len(self.item_projections)
        self.item_value = table("item_value") if has_values else None
        self.num_context_fields = sizes.num_context_fields
        self.context_value = table("context_value") if self.num_context_fields else None

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns the vectors of all fields of each user with each candidate.

        Args:
            features: ``user_index`` [B], ``item_index`` [B, C] or [1, C] for candidates
                that all users share, and the values of each user field [B, L], padded
                with 0, or its vectors [B, N]; and ``context`` [B, K] if times have
                fields.
            training: Whether to add the decay to the layer's losses.

        Returns:
            Vectors, [B, C, F, D].
        """
        user = self.of_users(features)[:, tf.newaxis]  # [B, 1, F_u, D]
        item = self.of_items(features[f.ITEM_INDEX])  # [B or 1, C, F_i, D]
        num_users, num_items = tf.shape(user)[0], tf.shape(item)[1]

        def each_pair(vectors: tf.Tensor) -> tf.Tensor:
            return tf.broadcast_to(
                vectors, [num_users, num_items, vectors.shape[2], vectors.shape[3]]
            )

        fields = tf.concat([each_pair(user), each_pair(item)], 2)  # [B, C, F, D]
        if training and self.l2:
            self.add_loss(decay(self.l2, *tf.unstack(fields, axis=2)))
        return fields

    def of_users(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the vectors of the fields of users and times, [B, F_u, D].

        The user's id is the first one.
        """
        fields = [
            Weighted(features[name], features[self.user_weights[name]])
            if name in self.user_weights
            else features[name]
            for name in self.user_fields
        ]
        values = _embedded(fields, self.user_value, self.user_projections)
        context = []
        if self.num_context_fields:
            each = tf.split(features[f.CONTEXT], self.num_context_fields, 1)  # [B, 1]
            context = _embedded(each, self.context_value, ())
        return tf.stack([self.user(features[f.USER_INDEX]), *values, *context], 1)

    def of_items(
        self, item_index: tf.Tensor, id_row: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns the vectors of the items' fields, [..., F_i, D], the id first.

        Args:
            item_index: Indices of the items, [...].
            id_row: Rows that are read in place of the items' own in the table of ids,
                [...], such as the unknown one.
        """
        fields = [
            tf.nest.map_structure(lambda table: tf.gather(table, item_index), field)
            for field in self.item_fields
        ]
        values = _embedded(fields, self.item_value, self.item_projections)
        return tf.stack(
            [self.item(item_index if id_row is None else id_row), *values], -2
        )


class Projection(tf.keras.layers.Dense):
    """Projects vectors [..., N] that are given with the data to [..., D]."""

    def __init__(self, length: int, dim: int, stddev: float, num_zeros: int):
        """Makes a projection to vectors as long as those of a new ``VectorTable``.

        Args:
            length: N; the squares of the numbers are 1 on average.
            dim: D, length of the results.
            stddev: Standard deviation of the numbers in the first results.
            num_zeros: How many of them are 0 at first, at the end of each result.
        """
        normal = tf.keras.initializers.RandomNormal(stddev=stddev / length**0.5)

        def initial(shape: Sequence[int], dtype: tf.DType) -> tf.Tensor:
            drawn = normal([shape[0], dim - num_zeros], dtype)
            return tf.pad(drawn, [[0, 0], [0, num_zeros]])

        super().__init__(dim, use_bias=False, kernel_initializer=initial)


def _embedded(
    fields: Sequence[tf.Tensor | Weighted],
    table: tf.keras.layers.Layer,
    projections: Sequence[tf.keras.layers.Layer],
) -> list[tf.Tensor]:
    """Returns the vectors [..., D] of fields, which are indices or vectors."""
    project = iter(projections)
    return [
        next(project)(field) if _is_vector(field) else _mean(table, field)
        for field in fields
    ]


def _is_vector(field: tf.Tensor | Weighted) -> bool:
    return not isinstance(field, Weighted) and bool(field.dtype.is_floating)


def _mean(table: tf.keras.layers.Layer, field: tf.Tensor | Weighted) -> tf.Tensor:
    """Returns the mean vector [..., D] of the known values among [..., L] indices."""
    index = field.values if isinstance(field, Weighted) else field
    vectors = table(index)
    share = tf.cast(index >= f.NUM_RESERVED, vectors.dtype)
    if isinstance(field, Weighted):
        largest = tf.reduce_max(field.weights, -1, keepdims=True)
        # At most 1: a larger one may not fit into 16 bits.
        share *= tf.cast(tf.math.divide_no_nan(field.weights, largest), vectors.dtype)
    share = share[..., tf.newaxis]
    total = tf.reduce_sum(vectors * share, -2)
    return tf.math.divide_no_nan(total, tf.reduce_sum(share, -2))
