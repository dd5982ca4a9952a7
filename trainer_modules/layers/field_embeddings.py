"""Embeddings of the ids and of all categorical side features of users and items."""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.layers.decay import decay
from trainer_modules.layers.vector_table import VectorTable
from trainer_modules.sizes import Sizes, Vocabulary


class FieldEmbeddings(tf.keras.layers.Layer):
    """Looks up one vector for each field of a user and an item.

    The fields of a pair are the user's id, the user's side features, the item's id and
    the item's side features, in this order. A field with several values, such as the
    genres of a film, has the mean of their vectors (as in RecBole and DeepCTR); a field
    without a known value has the zero vector. All user fields share one table of
    values, and all item fields another. In training, the vectors that are read decay.

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
        self.item_fields = [tf.constant(table) for table in sizes.item_fields.values()]

        def table(vocabulary: Vocabulary) -> tf.keras.layers.Layer:
            return VectorTable(vocabulary, sizes, dim, stddev, num_zeros=num_zeros)

        self.user, self.item = table("user"), table("item")
        self.user_value = table("user_value") if self.user_fields else None
        self.item_value = table("item_value") if self.item_fields else None

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns the vectors of all fields of each user with each candidate.

        Args:
            features: ``user_index`` [B], ``item_index`` [B, C] or [1, C] for candidates
                that all users share, and the values of each user field [B, L], padded
                with 0.
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
        """Returns the vectors of the users' fields, [B, F_u, D], the id first."""
        values = [_mean(self.user_value, features[name]) for name in self.user_fields]
        return tf.stack([self.user(features[f.USER_INDEX]), *values], 1)

    def of_items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the vectors of the items' fields, [..., F_i, D], the id first."""
        values = [
            _mean(self.item_value, tf.gather(table, item_index))
            for table in self.item_fields
        ]
        return tf.stack([self.item(item_index), *values], -2)


def _mean(table: tf.keras.layers.Layer, index: tf.Tensor) -> tf.Tensor:
    """Returns the mean vector [..., D] of the known values among [..., L] indices."""
    vectors = table(index)
    known = tf.cast(index >= f.NUM_RESERVED, vectors.dtype)[..., tf.newaxis]
    total = tf.reduce_sum(vectors * known, -2)
    return total / tf.maximum(tf.reduce_sum(known, -2), 1)
