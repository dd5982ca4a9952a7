"""A table of vectors too large for one process, of which each worker holds a part.

Rows are looked up where they are. They are learned by Adam (Kingma, Ba: "Adam: A Method
for Stochastic Optimization", ICLR 2015, https://arxiv.org/abs/1412.6980) without a
first moment (beta_1 = 0), and with one second moment for each row, where Adam has two
moments for each weight. The bias of a row's moment is corrected by the number of its
own steps: most steps have no gradient for it.
"""

import tensorflow as tf

# Not of tf.Variable, of which a strategy makes one that is equal on all workers.
from tensorflow.python.ops.resource_variable_ops import ResourceVariable

from trainer_modules import devices
from trainer_modules.collectives import gathered, summed
from trainer_modules.layers.vector_table import VectorTable
from trainer_modules.sizes import Sizes, Vocabulary

BETA_2 = 0.999  # Adam's
DRAWN_ROWS = 1 << 16  # whose initial values are drawn at once


class ShardedTable(tf.keras.layers.Layer):
    """Looks up indices [...] of a vocabulary as vectors [..., D].

    Of W workers, the one with the number r, from 0, holds the rows from r V / W up to
    (r + 1) V / W. In a step, all workers exchange their indices, each looks up those of
    its own rows, and the sum over all workers has every vector. A gradient takes the
    same way back, so that each worker has the gradients of all for its own rows.

    Attributes:
        shard: The worker's rows, [V / W, D].
        moments: For each row, the moving mean of the mean squares of its gradients, and
            the number of its steps, [V / W, 2].
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        sizes: Sizes,
        dim: int,
        stddev: float,
        num_zeros: int = 0,
    ):
        """Makes the worker's part; the arguments are those of ``VectorTable``.

        The initial values of a row are the same for any number of workers.

        Raises:
            ValueError: If one process trains on several devices.
        """
        super().__init__()
        self.place, self.num_workers = devices.place(tf.distribute.get_strategy())
        rows = sizes.rows(vocabulary)
        self.dim = dim
        self.begin, self.end = (
            rows * n // self.num_workers for n in (self.place, self.place + 1)
        )
        self.shard = ResourceVariable(
            tf.zeros([self.end - self.begin, dim]), name="shard"
        )
        self.moments = ResourceVariable(
            tf.zeros([self.end - self.begin, 2]), trainable=False, name="moments"
        )
        seed = int(tf.random.uniform([], maxval=1 << 30, dtype=tf.int32))
        for block in range(self.begin // DRAWN_ROWS, -(-self.end // DRAWN_ROWS)):
            drawn = tf.random.stateless_normal(
                [DRAWN_ROWS, dim - num_zeros], [seed, block], stddev=stddev
            )
            first = block * DRAWN_ROWS
            begin, end = max(first, self.begin), min(first + DRAWN_ROWS, self.end)
            values = tf.pad(
                drawn[begin - first : end - first], [[0, 0], [0, num_zeros]]
            )
            self.shard.scatter_update(
                tf.IndexedSlices(values, tf.range(begin, end) - self.begin)
            )

    @property
    def embeddings(self) -> tf.Variable:
        """Is an error: what reads the whole table cannot be trained with parts of it.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f"this model reads a whole table, of which {self.end - self.begin:,} rows "
            "are here, and which train.shard_tables_from divides among the workers: "
            "raise it above the table's rows, or train another model"
        )

    def call(self, index: tf.Tensor) -> tf.Tensor:
        """Returns the vectors of all indices, whichever worker has their rows."""
        if self.num_workers == 1:
            return tf.cast(tf.gather(self.shard, index), self.compute_dtype)
        flat = tf.reshape(index, [-1])
        length = tf.size(flat)
        lengths = gathered(length[tf.newaxis], self.num_workers)
        longest = tf.reduce_max(lengths)
        padded = tf.pad(flat, [[0, longest - length]], constant_values=-1)
        every = gathered(padded, self.num_workers)  # [N]
        is_here = (every >= self.begin) & (every < self.end)
        own = tf.gather(self.shard, tf.where(is_here, every - self.begin, 0))
        vectors = summed(
            tf.where(is_here[:, tf.newaxis], own, 0.0), self.num_workers
        )  # [N, D]
        vectors = tf.slice(vectors, [self.place * longest, 0], [length, self.dim])
        shape = tf.concat([tf.shape(index), [self.dim]], 0)
        return tf.cast(tf.reshape(vectors, shape), self.compute_dtype)

    def learn(self, gradient: tf.IndexedSlices, learning_rate: tf.Tensor) -> None:
        """Takes a step for each row that has a gradient.

        Args:
            gradient: Gradients of rows of the shard; a row may occur several times.
            learning_rate: The learning rate, as of Adam.
        """
        row, place = tf.unique(gradient.indices)
        total = tf.math.unsorted_segment_sum(gradient.values, place, tf.size(row))
        square = tf.reduce_mean(total**2, 1)
        # Rows that are looked up in vain, for other workers, have a gradient of 0.
        row, total, square = (
            tf.boolean_mask(each, square > 0) for each in (row, total, square)
        )
        mean, steps = tf.unstack(tf.gather(self.moments, row), axis=1)
        mean, steps = BETA_2 * mean + (1 - BETA_2) * square, steps + 1
        self.moments.scatter_update(tf.IndexedSlices(tf.stack([mean, steps], 1), row))
        root = tf.sqrt(mean / (1 - BETA_2**steps))[:, tf.newaxis]
        self.shard.scatter_sub(tf.IndexedSlices(learning_rate * total / root, row))


def vector_table(
    vocabulary: Vocabulary,
    sizes: Sizes,
    dim: int,
    stddev: float,
    num_zeros: int = 0,
) -> VectorTable | ShardedTable:
    """Returns a table with a vector for each entry of a vocabulary, sharded if large.

    The arguments are those of ``VectorTable``. Only for models that look vectors up,
    and never read a table as a whole.
    """
    kind = ShardedTable if sizes.is_sharded(vocabulary) else VectorTable
    return kind(vocabulary, sizes, dim, stddev, num_zeros=num_zeros)


def sharded_tables(model: tf.keras.Model) -> list[ShardedTable]:
    """Returns the tables of a model that are sharded."""
    return [layer for layer in model.submodules if isinstance(layer, ShardedTable)]
