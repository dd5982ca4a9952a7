"""A table with a vector for each entry of a vocabulary."""

import tensorflow as tf

from trainer_modules.sizes import Sizes, Vocabulary


class VectorTable(tf.keras.layers.Embedding):
    """Looks up indices [...] of a vocabulary as vectors [..., D].

    Models must keep every variable that has a row for each entry of a vocabulary in
    such a table. A warm start then finds the rows by their entries, such as user ids,
    whose order changes between trainings; it copies all other variables unchanged.

    Attributes:
        vocabulary: Which vocabulary the rows belong to.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        sizes: Sizes,
        dim: int,
        stddev: float,
        constraint: tf.keras.constraints.Constraint | None = None,
        num_zeros: int = 0,
    ):
        """Makes the table.

        Args:
            vocabulary: Which vocabulary the rows belong to.
            sizes: Number of entries of each vocabulary.
            dim: D, length of each vector.
            stddev: Standard deviation of the random initial values.
            constraint: Applied to the vectors after each training step.
            num_zeros: How many numbers at the end of each vector start at 0, such as
                biases.

        Raises:
            ValueError: If the table is to be divided among the workers.
        """
        # Not shared between tables: one initializer would draw the same numbers again.
        normal = tf.keras.initializers.RandomNormal(stddev=stddev)

        def initial(shape: list[int], dtype: tf.DType) -> tf.Tensor:
            drawn = normal([shape[0], dim - num_zeros], dtype)
            return tf.pad(drawn, [[0, 0], [0, num_zeros]])

        rows = sizes.rows(vocabulary)
        if sizes.is_sharded(vocabulary):
            raise ValueError(
                f"this model reads its whole table of {rows:,} rows, which "
                f"train.shard_tables_from ({sizes.sharded_from:,}) divides among the "
                "workers: raise it above the table's rows, or train another model"
            )
        super().__init__(rows, dim, initial, embeddings_constraint=constraint)
        self.vocabulary = vocabulary
