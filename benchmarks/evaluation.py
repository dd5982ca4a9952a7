"""``make bench-evaluation``: exact ranks of targets among a million items.

Users and items have drawn vectors, as in ``make bench-index``. Each target is ranked
among all items that its user has not rated, as the Evaluator does it, on one thread;
times are CPU times, so that other work on the machine has little effect.
"""

import resource
import time

import click
import tensorflow as tf

from benchmarks.figures import Figure, machine, print_figures, write_docs
from benchmarks.item_index import draw
from trainer_modules import features as f
from trainer_modules.ranking import Candidates, rank_targets

FEWER, MANY = 100_000, 1_000_000  # items
ALL_USERS = 100_000
DIM, RATED, TARGETS = 64, 50, 10
GIGABYTES = 6.0  # of memory at most
VECTOR = "vector"  # a user's, among the features


class Products(tf.keras.Model):
    """Scores by the products of given vectors."""

    def __init__(self, items: tf.Tensor):
        super().__init__()
        self.vectors = tf.Variable(items, trainable=False)

    def users(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the vectors of users [B, D]."""
        return features[VECTOR]

    def items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the vectors [..., D] of items [...]."""
        return tf.gather(self.vectors, item_index)

    def call(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the scores [B, C] of the candidates [1, C] of all users."""
        items = self.items(features[f.ITEM_INDEX][0])
        return tf.matmul(self.users(features), items, transpose_b=True)


def nanoseconds(num_items: int, num_users: int) -> float:
    """Returns the CPU time for each pair of a user and an item."""
    items, users = draw(num_items, DIM, num_users)
    random = tf.random.Generator.from_seed(0)

    def drawn(count: int) -> tf.Tensor:
        shape = [num_users, count]
        return random.uniform(shape, f.NUM_RESERVED, num_items, tf.int64)

    model = Products(tf.constant(items))
    candidates = Candidates.of(model, num_items, 0)

    @tf.function(autograph=False)
    def rank(features: dict[str, tf.Tensor], targets: tf.Tensor) -> tf.Tensor:
        return rank_targets(model, features, targets, candidates, 10)["rank"]

    features = {VECTOR: tf.constant(users), f.HISTORY_ITEM_INDEX: drawn(RATED)}
    targets = drawn(TARGETS)
    rank({name: value[:1] for name, value in features.items()}, targets[:1])
    begin = time.process_time()
    rank(features, targets)
    return (time.process_time() - begin) / (num_users * num_items) * 1e9


@click.command()
@click.option("--users", default=1000, show_default=True, help="With a million items.")
@click.option("--write", is_flag=True, help="Write docs/benchmarks.md.")
def main(users: int, write: bool) -> None:
    """Compare the time of an evaluation with 100,000 and with a million items."""
    before = machine()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    few = nanoseconds(FEWER, users * MANY // FEWER)
    many = nanoseconds(MANY, users)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    minutes = many * MANY * ALL_USERS / 1e9 / 60
    figures = [
        Figure(f"{FEWER:,} items", few, "ns/pair"),
        Figure(f"{MANY:,} items", many, "ns/pair"),
        Figure(f"{MANY:,} / {FEWER:,} items", many / few, at_most=1.0),
        Figure("peak memory", peak, "GB", at_most=GIGABYTES),
        Figure(f"{ALL_USERS:,} users would take", minutes, "CPU min"),
    ]
    print_figures(figures)
    if write:
        write_docs("evaluation", figures, before, "make bench-evaluation")


if __name__ == "__main__":
    main()
