"""``make bench-training-memory``: bytes that a training takes for each rating.

Generated ratings of every task are brought to batches, in a process of its own. What
does not grow with them, such as TensorFlow, is left out: the figure is the difference
between two numbers of ratings. Memory is what Linux calls anonymous: pages of mapped
files are not counted, as the system drops them when it needs memory.
"""

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.figures import Figure, console, machine, print_figures, write_docs
from benchmarks.processes import MODULE, run_process
from trainer_modules.registry import MODELS

# One model for each task.
NAMES = ("gmf", "deepfm", "two_tower", "attrec", "sasrec")
RATINGS_PER_USER, NUM_ITEMS = 100, 20_000
SECONDS_BETWEEN_SAMPLES = 0.02


def generated(num_ratings: int) -> Any:
    """Returns ratings of which all are likes, and no pair is repeated."""
    from trainer_modules import features as f
    from trainer_modules.disk_arrays import computed
    from trainer_modules.interactions import Ratings

    num_ratings -= num_ratings % RATINGS_PER_USER
    random = np.random.default_rng(0)

    def user(rows: slice) -> Any:
        return f.NUM_RESERVED + np.arange(rows.start, rows.stop) // RATINGS_PER_USER

    def item(rows: slice) -> Any:
        # Each place in a user's history has its own part of the catalogue.
        part = np.arange(rows.start, rows.stop) % RATINGS_PER_USER
        drawn = random.integers(0, NUM_ITEMS // RATINGS_PER_USER, len(part))
        return f.NUM_RESERVED + part + RATINGS_PER_USER * drawn

    def ones(rows: slice) -> Any:
        return np.ones(rows.stop - rows.start)

    return Ratings(
        computed(user, num_ratings, np.int32),
        computed(item, num_ratings, np.int32),
        computed(ones, num_ratings, np.int32),
        computed(ones, num_ratings, np.float32),
    )


def anonymous_bytes() -> int:
    """Returns the memory of this process that is not of files."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


@contextlib.contextmanager
def sampled(values: list[int]) -> Iterator[None]:
    """Appends ``anonymous_bytes`` to the values until it is left."""
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(SECONDS_BETWEEN_SAMPLES):
            values.append(anonymous_bytes())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def peak(name: str, num_ratings: int) -> int:
    """Returns the peak memory of this process until it has made batches, in bytes."""
    from trainer_modules import features as f
    from trainer_modules.inputs import Data
    from trainer_modules.sizes import Sizes
    from trainer_modules.training import TRAINING_SETS

    num_users = num_ratings // RATINGS_PER_USER
    sizes = Sizes(num_users + f.NUM_RESERVED, NUM_ITEMS + f.NUM_RESERVED)
    data = Data([], [], {}, sizes, num_unknown_items=0)
    ratings = generated(num_ratings)
    config = MODELS[name].config_class()
    values = [0]
    with sampled(values):
        batches = TRAINING_SETS[config.task](data, ratings, config, 0).batches
        for _ in batches.take(3):
            pass
    return max(values)


def bytes_per_rating(name: str, num_ratings: int) -> float:
    """Returns how many bytes each rating between a number and twice as many takes."""
    one, two = (
        int(
            run_process(
                *(*MODULE, "benchmarks.training_memory"),
                *("--only", name, "--ratings", number),
            ).last_line
        )
        for number in (num_ratings, 2 * num_ratings)
    )
    return (two - one) / num_ratings


@click.command()
@click.option("--ratings", default=20_000_000, show_default=True)
@click.option("--only", metavar="MODEL", help="Print the peak of this process.")
@click.option("--write", is_flag=True, help="Write the table of docs/benchmarks.md.")
def main(ratings: int, only: str | None, write: bool) -> None:
    """Measure the memory of a training for each rating."""
    if only:
        print(peak(only, ratings))
        return
    before = machine()
    console.print(before)
    figures = [
        Figure(
            f"{name} ({MODELS[name].task})", bytes_per_rating(name, ratings), "B/rating"
        )
        for name in NAMES
    ]
    print_figures(figures)
    if write:
        command = "make bench-training-memory"
        write_docs("training-memory", figures, before, command)


if __name__ == "__main__":
    main()
