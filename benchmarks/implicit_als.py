"""``make bench-implicit``: alternations of ``mf_als``, ours and implicit's in turn.

Both solve MovieLens 1M, all ratings positive, with vectors of 192 numbers, by conjugate
gradients on all cores. implicit takes 3 iterations for each row by default, ours 6.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import click
import tensorflow as tf
from implicit.als import AlternatingLeastSquares

from benchmarks.figures import Figure, machine, print_figures, write_docs
from benchmarks.processes import marquee
from benchmarks.training_data import trainer_data
from trainer_modules.configs.closed_form import MFALSConfig
from trainer_modules.inputs import Data
from trainer_modules.interactions import Interactions
from trainer_modules.layers.implicit_least_squares import STEPS
from trainer_modules.models.mf_als import MFALS

ROUNDS = 3
ALTERNATIONS = 4
CONFIG = MFALSConfig(epochs=ALTERNATIONS)
OURS, IMPLICIT, SAME_STEPS = "ours", "implicit", f"implicit, {STEPS} iterations"


def ours(data: Data, pairs: Interactions) -> float:
    """Returns the seconds of our alternations; the last one solves the users again."""
    model = MFALS(CONFIG, data.sizes)
    started = time.monotonic()
    model.solve(pairs)
    return (time.monotonic() - started) / (ALTERNATIONS + 0.5)


def implicit(pairs: Interactions, steps: int) -> float:
    """Returns the seconds of implicit's alternations."""
    model = AlternatingLeastSquares(
        factors=CONFIG.embedding_dim, iterations=ALTERNATIONS, random_state=0
    )
    model.cg_steps = steps
    started = time.monotonic()
    model.fit(pairs.matrix(), show_progress=False)
    return (time.monotonic() - started) / ALTERNATIONS


@click.command()
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md.")
def main(write: bool) -> None:
    """Solve both in turn, so that other work on the machine slows both."""
    before = machine()
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        marquee(Path(folder), "ml-1m", "popularity", "label.threshold=all")
        data, *_ = trainer_data(Path(folder))
        ratings = data.train_ratings  # read now
    pairs = data.interactions(ratings.where(ratings.liked()))
    seconds: dict[str, list[float]] = {OURS: [], IMPLICIT: [], SAME_STEPS: []}
    for _ in range(ROUNDS):
        tf.keras.backend.clear_session()
        seconds[OURS].append(ours(data, pairs))
        seconds[IMPLICIT].append(implicit(pairs, 3))
        seconds[SAME_STEPS].append(implicit(pairs, STEPS))
        print({name: round(s[-1], 2) for name, s in seconds.items()}, file=sys.stderr)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    figures = [
        *(Figure(f"{name}, an alternation", s, "s") for name, s in medians.items()),
        Figure("ours / implicit", medians[OURS] / medians[IMPLICIT], "×", at_most=3),
        Figure(f"ours / {SAME_STEPS}", medians[OURS] / medians[SAME_STEPS], "×"),
    ]
    print_figures(figures)
    if write:
        write_docs("implicit", figures, before, "make bench-implicit")


if __name__ == "__main__":
    main()
