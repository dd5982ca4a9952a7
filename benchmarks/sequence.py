"""``make bench-sequence``: trains sequence models, ours and the peers' in turn.

All learn the next items of the same histories of MovieLens 1M (every rating is a
positive, and each user's last two are held out), by the softmax over the catalogue, on
the same two cores: in float32, with vectors of 64 numbers, 64 histories of up to 200
items in a step. A token is a target that has a loss, so that padding does not count.
The first steps, in which graphs are traced, are not measured.

A step is not the same work for all. Ours and RecTools' learn every next item of a
history in one pass; RecTools' also scores the positions of padding. RecBole's repeats
the history for each of its targets, so that a step has as many targets as histories.

RecTools' HSTU and ours have no bias by time here. gSASRec-pytorch is not on the
package index, so that it is not compared. Neither is the softmax over 3,000 drawn
items: RecBole does not have it, and RecTools draws them for each position, whose
vectors would take 10 GB.
"""

import dataclasses
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks.figures import Figure, machine, print_figures, write_docs
from benchmarks.peers import VERSIONS, run_peer
from benchmarks.processes import marquee
from benchmarks.quality import set_options
from benchmarks.results import read_table
from benchmarks.sequence_training import Clock
from benchmarks.training_data import trainer_data
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.optimizers import compiled
from trainer_modules.registry import MODELS
from trainer_modules.tasks.sequence import OTHERS, pieces, training_set
from trainer_modules.tasks.task import Batch, TrainingSet

SCRIPT = Path(__file__).with_name("sequence_training.py")
OURS = "ours"
PEERS = {  # model → peer → the peer's name of it
    "sasrec": {"RecTools": "SASRec", "RecBole": "SASRec"},
    "gru4rec": {"RecBole": "GRU4Rec"},
    "hstu": {"RecTools": "HSTU"},
}
SETTINGS = {
    "embedding_dim": 64,
    "blocks": 2,
    "heads": 1,
    "time_bias": False,
    "inner_dim": 64,
    "dropout_rate": 0.1,
    "max_history_length": 200,
    "batch_size": 64,
    "learning_rate": 0.001,
}
SAMPLE = 1000  # histories for RecBole
AT_LEAST = 1.5  # times the speed of the faster peer
STEPS_PER_CALL = 16  # of ours; the clock is read between calls
WARM_STEPS = 16
WARM_STEPS_OF_PEERS = 4  # torch traces nothing


@dataclasses.dataclass(frozen=True)
class Measured:
    """The steps of one training.

    Attributes:
        steps: Number of steps.
        rows: Number of histories in them.
        positions: Number of positions in them, padding included.
        targets: Number of positions in them that have a loss.
        seconds: Time that they took.
        cpu_seconds: CPU time of their process meanwhile.
        candidates: Number of items that each target is compared with, itself included.
    """

    steps: int
    rows: int
    positions: int
    targets: int
    seconds: float
    cpu_seconds: float
    candidates: int

    @property
    def speed(self) -> float:
        """Tokens per second."""
        return self.targets / self.seconds

    @property
    def cpu_speed(self) -> float:
        """Tokens per CPU second, which differs less if other work is running."""
        return self.targets / self.cpu_seconds

    @property
    def step(self) -> str:
        """What a step contains on average."""
        rows, positions = self.rows / self.steps, self.positions / self.steps
        return (
            f"{rows:,.0f} rows, {positions:,.0f} positions, "
            f"{self.targets / self.steps:,.0f} targets, {self.candidates:,} candidates"
        )


def measured(values: Mapping[str, Any]) -> Measured:
    """Returns what a clock has counted, beside which it may have other values."""
    names = (field.name for field in dataclasses.fields(Measured))
    return Measured(**{name: values[name] for name in names})


def count_targets(batches: Iterable[Batch]) -> int:
    """Returns the number of positions of batches that have a loss."""
    return sum(int(np.count_nonzero(batch[f.ITEM_INDEX])) for batch in batches)


def write_histories(data: Data, folder: Path) -> None:
    """Writes the pieces of histories that ours learn from in RecBole's format.

    Each piece becomes a user. ``histories`` has them all; ``sample`` has some, as
    RecBole keeps a history of each target in memory, but all items.
    """
    count, piece = pieces(data.train_ratings, SETTINGS["max_history_length"])
    cut = piece(tf.range(count))
    history = np.concatenate(
        [cut[f.HISTORY_ITEM_INDEX], cut[f.ITEM_INDEX][:, -1:]], 1
    )  # [P, L + 1]
    some = np.random.default_rng(0).choice(len(history), SAMPLE, replace=False)
    for name, rows in (("histories", history), ("sample", history[some])):
        (folder / name).mkdir()
        user, place = np.nonzero(rows)
        inter = {
            "user_id:token": user,
            "item_id:token": rows[user, place],
            "timestamp:float": place,
        }
        items = {"item_id:token": np.unique(history[history != f.PADDING_INDEX])}
        for ending, columns in (("inter", inter), ("item", items)):
            path = folder / name / f"{name}.{ending}"
            pd.DataFrame(columns).to_csv(path, sep="\t", index=False)


class Counter(tf.keras.callbacks.Callback):
    """Counts the steps of a training until enough of them are measured."""

    def __init__(self, clock: Clock, training_set: TrainingSet):
        super().__init__()
        self.clock, self.rows = clock, training_set.batch_size * STEPS_PER_CALL
        self.positions = self.rows * training_set.num_candidates

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Counts the steps of a call; their targets are counted afterwards."""
        self.clock.count(self.rows, self.positions, 0, STEPS_PER_CALL)

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Ends the training."""
        self.model.stop_training = self.clock.is_over


def ours(name: str, data: Data, seconds: float) -> Measured:
    """Trains one of our models as ``training.fit`` does.

    Raises:
        click.ClickException: If its steps have fewer histories than the peers'.
    """
    config_class = MODELS[name].config_class
    fields = {field.name for field in dataclasses.fields(config_class)}
    known = {setting: SETTINGS[setting] for setting in SETTINGS if setting in fields}
    config = config_class(**known)
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(0)
    model = MODELS[name].load_class()(config, data.sizes)
    made = training_set(data, data.train_ratings, config, seed=0)
    if made.batch_size != config.batch_size:  # as with few histories
        raise click.ClickException(
            f"a step of ours has {made.batch_size} histories, and one of the peers "
            f"{config.batch_size}: set SETTINGS['batch_size'] to {made.batch_size}"
        )
    clock = Clock(seconds, WARM_STEPS)
    compiled(model, config, data.sizes, made).fit(
        made.batches,
        epochs=sys.maxsize,
        steps_per_epoch=STEPS_PER_CALL,
        verbose=0,
        callbacks=[Counter(clock, made)],
    )
    clock.targets = count_targets(made.batches.skip(WARM_STEPS).take(clock.steps))
    candidates = next(iter(made.batches))[OTHERS].shape[1]
    return measured(dataclasses.asdict(clock) | {"candidates": candidates})


def theirs(peer: str, name: str, folder: Path, seconds: float) -> Measured:
    """Trains a model of a peer in a process of its own."""
    settings = SETTINGS | {"seconds": seconds, "warm_steps": WARM_STEPS_OF_PEERS}
    arguments = peer, PEERS[name][peer], folder, json.dumps(settings)
    return measured(json.loads(run_peer(SCRIPT, *arguments, folder=folder)))


def figures_of(name: str, rounds: Mapping[str, Sequence[Measured]]) -> list[Figure]:
    """Compares our speed with that of each peer, round by round.

    Args:
        name: Name of our model.
        rounds: ``ours`` and each peer → what was measured in each round.
    """
    speeds = {who: [found.speed for found in all_] for who, all_ in rounds.items()}
    cpu_speeds = {
        who: statistics.median(found.cpu_speed for found in all_)
        for who, all_ in rounds.items()
    }
    medians = {who: statistics.median(found) for who, found in speeds.items()}
    figures = []
    for who, (first, *_) in rounds.items():
        targets, positions = first.targets / first.steps, first.positions / first.steps
        figures += [
            Figure(f"{name}, {who}", medians[who], "tokens/s"),
            Figure(f"{name}, {who}: a step", targets, f"of {positions:,.0f} positions"),
        ]
    for peer in [who for who in rounds if who != OURS]:
        ratios = [a / b for a, b in zip(speeds[OURS], speeds[peer], strict=True)]
        ratio, cpu = (m[OURS] / m[peer] for m in (medians, cpu_speeds))
        what = f"{name}, ours / {peer}"
        figures += [
            Figure(f"{what}, medians", ratio, "×", at_least=AT_LEAST),
            Figure(f"{what}, lowest of {len(ratios)} rounds", min(ratios), "×"),
            Figure(f"{what}, highest", max(ratios), "×"),
            Figure(f"{what}, by CPU seconds", cpu, "×"),
        ]
    return figures


@click.command()
@click.option("--rounds", "num_rounds", default=3, show_default=True)
@click.option("--seconds", default=30.0, show_default=True, help="Time to measure.")
@click.option("--cores", default=2, show_default=True, help="That all sides share.")
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md.")
@click.argument("names", nargs=-1)
def main(
    num_rounds: int, seconds: float, cores: int, write: bool, names: tuple[str, ...]
) -> None:
    """Train the models NAMES, or else all, in turn with the peers'."""
    before = machine()
    # Before any thread starts; processes of the peers inherit it.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    figures = []
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as created:
        folder = Path(created)
        marquee(folder, "ml-1m", "popularity", *set_options(read_table("seq-full").set))
        data, *_ = trainer_data(folder)
        write_histories(data, folder)
        for name in names or PEERS:
            rounds: dict[str, list[Measured]] = {}
            for _ in range(num_rounds):
                found = {OURS: ours(name, data, seconds)}
                for peer in PEERS[name]:
                    found[peer] = theirs(peer, name, folder, seconds)
                for who, one in found.items():
                    rounds.setdefault(who, []).append(one)
                    print(
                        f"{name}, {who}: {one.speed:,.0f}/s; {one.step}",
                        file=sys.stderr,
                    )
            figures += figures_of(name, rounds)
    print_figures(figures)
    if write:
        versions = [*VERSIONS, f"tensorflow=={tf.__version__}"]
        write_docs("sequence", figures, before, "make bench-sequence", versions)


if __name__ == "__main__":
    main()
