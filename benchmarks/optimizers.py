"""``make bench-optimizers``: Adam and LazyAdam on embedding tables of many rows.

Adam decays the moments of every row in every step, Keras' in eight passes and ours in
one; LazyAdam updates only the rows of the batch. All run in turn, in one process, on
the same batches. Only the ratios are comparable between machines.
"""

import statistics
import time
from collections.abc import Callable

import click
import tensorflow as tf
from rich import box
from rich.console import Console
from rich.table import Table

from trainer_modules.optimizers import OPTIMIZERS

DIM, BATCH, STEPS, ROUNDS = 16, 4096, 20, 5
MADE_BY: dict[str, Callable[[float], tf.keras.optimizers.Optimizer]] = {
    "Keras' Adam": tf.keras.optimizers.Adam,
    "Adam": OPTIMIZERS["adam"],
    "LazyAdam": OPTIMIZERS["lazy_adam"],
}


def seconds_per_step(name: str, num_rows: int) -> float:
    """Returns the mean seconds of a step, without the first, which traces."""
    table = tf.Variable(tf.random.normal([num_rows, DIM]))
    optimizer = MADE_BY[name](0.001)

    @tf.function(jit_compile=False)
    def step(rows: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.gather(table, rows) ** 2)
        optimizer.minimize(loss, [table], tape=tape)

    batches = [
        tf.random.uniform([BATCH], maxval=num_rows, dtype=tf.int32)
        for _ in range(STEPS + 1)
    ]
    step(batches[0])
    started = time.perf_counter()
    for batch in batches[1:]:
        step(batch)
    table.numpy()  # waits for the last step
    return (time.perf_counter() - started) / STEPS


@click.command()
def main() -> None:
    """Print the milliseconds of a step for tables of several sizes."""
    columns = [f"{name}, ms" for name in MADE_BY]
    shown = Table("rows", *columns, "Adam / LazyAdam", box=box.MARKDOWN)
    for num_rows in (10_000, 100_000, 1_000_000):
        times: dict[str, list[float]] = {name: [] for name in MADE_BY}
        for _ in range(ROUNDS):
            for name in MADE_BY:
                times[name].append(1000 * seconds_per_step(name, num_rows))
        medians = {name: statistics.median(times[name]) for name in MADE_BY}
        ratio = medians["Adam"] / medians["LazyAdam"]
        cells = (f"{median:.1f}" for median in medians.values())
        shown.add_row(f"{num_rows:,}", *cells, f"{ratio:.1f}")
    Console(width=80).print(shown)


if __name__ == "__main__":
    main()
