"""A vector for each id, or for each value of a side feature."""

import tensorflow as tf

from trainer_modules.sizes import Sizes, Vocabulary


class VectorTable(tf.keras.layers.Embedding):
    """[...] indices of a vocabulary to [..., D].

    Every variable with a row for each entry of a vocabulary is one of these: a warm
    start carries the rows over by what they stand for, and all else as it is.

    Attributes:
        vocabulary: What the rows stand for.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        sizes: Sizes,
        dim: int,
        stddev: float,
        constraint: tf.keras.constraints.Constraint | None = None,
    ):
        """Makes the table.

        Args:
            vocabulary: That has the indices.
            sizes: Of the data.
            dim: D, of each vector.
            stddev: Of the random start.
            constraint: On the vectors, after each step.
        """
        # An initializer of its own: the same one would draw the same numbers again.
        normal = tf.keras.initializers.RandomNormal(stddev=stddev)
        rows = sizes.rows(vocabulary)
        super().__init__(rows, dim, normal, embeddings_constraint=constraint)
        self.vocabulary = vocabulary
