"""``make bench-large-tables``: a table of users that two processes hold in halves.

``gmf`` learns from generated ratings with ``train.shard_tables_from``, as in a run: two
workers train and write their checkpoints, a third process puts the table together and
exports the scores, and a fourth one serves them. A user likes the items of one of ten
kinds; the figure of quality is how often an item of that kind scores above another one,
for users that the first and the second worker hold.
"""

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.figures import Figure, console, machine, print_figures, write_docs
from benchmarks.processes import MODULE
from benchmarks.training_memory import sampled
from trainer_modules.workers import local

WORKERS, NUM_ITEMS, NUM_KINDS = 2, 10_000, 10
RATINGS_PER_USER, JUDGED_USERS = 10, 10_000
SHARDED_FROM = 1_000_000
GIGABYTE = 1 << 30


def rated_users(num_rows: int, num_ratings: int) -> Any:
    """Returns the rows of the users who rate, evenly spread over the table."""
    from trainer_modules import features as f

    count = num_ratings // RATINGS_PER_USER
    return f.NUM_RESERVED + np.linspace(0, num_rows - 1, count).astype(np.int32)


def kind_of(users: Any) -> Any:
    """Returns the kind of items that each user likes."""
    return users * 7919 % NUM_KINDS


def generated(num_rows: int, num_ratings: int) -> Any:
    """Returns what the Trainer is given: likes of items of the users' kinds."""
    from trainer_modules import features as f
    from trainer_modules.inputs import Data
    from trainer_modules.interactions import Ratings
    from trainer_modules.sizes import Sizes

    users = np.repeat(rated_users(num_rows, num_ratings), RATINGS_PER_USER)
    random = np.random.default_rng(0)
    place = random.integers(0, NUM_ITEMS // NUM_KINDS, len(users))
    items = f.NUM_RESERVED + place * NUM_KINDS + kind_of(users)
    ones = np.ones(len(users))
    ratings = Ratings(
        users,
        items.astype(np.int32),
        ones.astype(np.int32),
        ones.astype(np.float32),
    )

    class Generated(Data):
        """Has no files."""

        train_ratings = functools.cached_property(lambda self: ratings)

        def ratings_of_both_splits(self) -> Ratings:
            return ratings

    sizes = Sizes(
        num_rows + f.NUM_RESERVED,
        NUM_ITEMS + f.NUM_RESERVED,
        sharded_from=SHARDED_FROM,
    )
    data = Generated([], [], {}, sizes, num_unknown_items=0)
    vars(data)["train_ratings"] = ratings
    return data


def trained(folder: Path, rows: int, ratings: int, dim: int, completed_by: int) -> Any:
    """Trains one epoch, or restores it from the checkpoints of the workers."""
    import tensorflow as tf

    from trainer_modules import devices, training
    from trainer_modules.checkpoints.of_step import Checkpoints
    from trainer_modules.registry import MODELS

    strategy = tf.distribute.get_strategy()
    if not completed_by:
        strategy = devices.strategy_of_workers(require_gpu=False)
    tf.keras.backend.experimental.enable_tf_random_generator()
    tf.keras.utils.set_random_seed(0)
    gmf = MODELS["gmf"]
    config = gmf.config_class(embedding_dim=dim, learning_rate=0.05, batch_size=8192)
    data = generated(rows, ratings)
    with strategy.scope():
        model = gmf.load_class()(config, data.sizes)
    checkpoints = Checkpoints(str(folder / "checkpoints"), {}, interval=600)
    checkpoints.completed_by = completed_by
    with tempfile.TemporaryDirectory() as curves:
        found = training.fit(
            model,
            config,
            data,
            seed=0,
            log_dir=curves,
            name="gmf",
            epochs=[1],
            checkpoints=checkpoints,
        )
    checkpoints.wait()
    if not completed_by:
        devices.of_chief(strategy, lambda: 0.0)
    return model, found


def export(folder: Path, rows: int, ratings: int, dim: int) -> None:
    """Writes a SavedModel of the model that the workers have trained."""
    import tensorflow as tf

    from trainer_modules import features as f

    model, _ = trained(folder, rows, ratings, dim, completed_by=WORKERS)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)] * 2)
    def score(user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        pairs = {f.USER_INDEX: user, f.ITEM_INDEX: item[:, tf.newaxis]}
        return model(pairs)[:, 0]

    module = tf.Module()
    module.model, module.score = model, score
    tf.saved_model.save(module, str(folder / "exported"))


def serve(folder: Path, rows: int, ratings: int) -> dict[str, float]:
    """Returns how often the served model ranks a pair of items right, and its time."""
    import tensorflow as tf

    from trainer_modules import features as f

    exported = tf.saved_model.load(str(folder / "exported"))  # owns the variables
    score = exported.score
    random = np.random.default_rng(1)
    users = np.sort(random.choice(rated_users(rows, ratings), JUDGED_USERS))
    place = random.integers(0, NUM_ITEMS // NUM_KINDS, [2, JUDGED_USERS]) * NUM_KINDS
    other = (kind_of(users) + random.integers(1, NUM_KINDS, JUDGED_USERS)) % NUM_KINDS
    own_score, other_score = (
        score(users.astype(np.int64), f.NUM_RESERVED + items).numpy()
        for items in (place[0] + kind_of(users), place[1] + other)
    )
    right = own_score > other_score
    is_first = users < rows // 2
    seconds = []
    for user in users[:1000].astype(np.int64):
        begin = time.perf_counter()
        score(np.full(100, user), np.arange(100) + f.NUM_RESERVED)
        seconds.append(time.perf_counter() - begin)
    return {
        "first": float(right[is_first].mean()),
        "second": float(right[~is_first].mean()),
        "milliseconds": float(np.median(seconds) * 1000),
    }


@contextlib.contextmanager
def reported(figures: dict[str, float]) -> Iterator[None]:
    """Adds the peak memory and the time to figures, and prints them as JSON."""
    values, begin = [0], time.monotonic()
    with sampled(values):
        yield
    figures |= {"peak": max(values) / GIGABYTE, "seconds": time.monotonic() - begin}
    print(json.dumps(figures), flush=True)


def started(
    role: str, options: Sequence[str], **variables: str
) -> subprocess.Popen[str]:
    """Starts a role in a process of its own."""
    return subprocess.Popen(
        [*MODULE, "benchmarks.large_tables", *options, "--role", role],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> dict[str, float]:
    """Returns the figures of a process that ends.

    Raises:
        click.ClickException: If it fails.
    """
    output, _ = process.communicate()
    if process.returncode:
        raise click.ClickException(f"{process.args} ended with {process.returncode}")
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


def play(role: str, folder: Path, rows: int, ratings: int, dim: int) -> None:
    """Does one role of the benchmark in this process."""
    figures: dict[str, float] = {}
    with reported(figures):
        if role == "worker":
            _, found = trained(folder, rows, ratings, dim, completed_by=0)
            figures["speed"] = found.samples_per_second
        elif role == "export":
            export(folder, rows, ratings, dim)
        else:
            figures |= serve(folder, rows, ratings)
    sys.stdout.flush()
    os._exit(0)  # TensorFlow's server would wait for those of the other workers


@click.command()
@click.option("--rows", default=50_000_000, show_default=True, help="Number of users.")
@click.option("--ratings", default=5_000_000, show_default=True)
@click.option("--dim", default=32, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Where a role writes.")
@click.option("--role", type=click.Choice(["worker", "export", "serve"]))
@click.option("--write", is_flag=True, help="Write the table of docs/benchmarks.md.")
def main(
    rows: int,
    ratings: int,
    dim: int,
    folder: Path | None,
    role: str | None,
    write: bool,
) -> None:
    """Measure the training of a table in two halves, and the model that they give."""
    if role:
        assert folder
        play(role, folder, rows, ratings, dim)
    before = machine()
    console.print(before)
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as temporary:
        options = [
            *("--rows", str(rows), "--ratings", str(ratings)),
            *("--dim", str(dim), "--folder", temporary),
        ]
        addresses = [f"127.0.0.1:{port}" for port in local.free_ports(WORKERS)]
        configs = [local.tf_config(addresses, n) for n in (None, *range(WORKERS - 1))]
        running = [started("worker", options, TF_CONFIG=each) for each in configs]
        found = [ended(each) for each in running]  # what they print fits into a pipe
        exported = ended(started("export", options))
        served = ended(started("serve", options))
    table = rows * dim * 4 / GIGABYTE
    figures = [
        Figure("table", table, "GB"),
        Figure("largest worker, peak", max(each["peak"] for each in found), "GB"),
        Figure("training, pairs/s", max(each["speed"] for each in found), "/s"),
        Figure("export, peak", exported["peak"], "GB"),
        Figure("served model, peak", served["peak"], "GB"),
        Figure("100 items scored, median", served["milliseconds"], "ms"),
        Figure("ranked right, rows of worker 0", served["first"], at_least=0.9),
        Figure("ranked right, rows of worker 1", served["second"], at_least=0.9),
    ]
    print_figures(figures)
    if write:
        write_docs("large-tables", figures, before, "make bench-large-tables")


if __name__ == "__main__":
    main()
