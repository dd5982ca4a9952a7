"""``make bench-plan``: the reference runs that ``marquee run --plan`` estimates from.

Every model is trained for one epoch on data sets of several sizes: a tenth of the users
of MovieLens 100K, the sample, and MovieLens 100K; and some models on a larger one. What
each step has cost is written to ``pipeline/plan/reference.json``. Printed is how well
the costs on the larger data set follow from those on the others.
"""

import math
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from benchmarks.figures import Figure, console, machine, print_figures, write_docs
from benchmarks.processes import marquee
from pipeline import datasets
from pipeline.plan.estimate import Estimator
from pipeline.plan.observed import (
    REFERENCE_FILE,
    Cost,
    Observed,
    Reference,
    observe,
)
from trainer_modules.registry import MODELS

SOME = "popularity,mf_als,item_knn,ease,gmf,neumf,two_tower,fm,sasrec"


def write_tenth(folder: Path) -> None:
    """Writes a tenth of the users of MovieLens 100K, with their ratings."""
    shutil.copytree(datasets.resolve("ml-100k", lambda *_: None).folder, folder)
    lines = (folder / "u.data").read_text().splitlines(keepends=True)
    kept = [line for line in lines if int(line.split()[0]) % 10 == 0]
    (folder / "u.data").write_text("".join(kept))


def measured(data: str, models: str, out: Path) -> Observed:
    """Returns what the steps of a run on a data set have cost."""
    fitted = [name for name, spec in MODELS.items() if spec.is_fitted]
    epochs = [f"models.{n}.epochs=1" for n in fitted if n in models.split(",")]
    run = observe(marquee(out, data, models, *epochs).record)
    if run is None:
        raise click.ClickException(f"{data} could not be read")
    steps = {
        name: Cost(round(cost.seconds, 2), cost.peak_memory)
        for name, cost in run.steps.items()
    }
    return msgspec.structs.replace(run, steps=steps)


def errors(estimator: Estimator, truth: Observed, name: str) -> Iterator[Figure]:
    """Yields how far estimates are from the truth, as factors."""
    time, memory = [], []
    for step, cost in truth.steps.items():
        estimate = estimator.estimate(step, truth.work(step)).cost
        if estimate is None or cost.seconds < 1:
            continue
        time.append(abs(math.log(estimate.seconds / cost.seconds)))
        if estimate.peak_memory and cost.peak_memory:
            memory.append(abs(math.log(estimate.peak_memory / cost.peak_memory)))
    for what, found in (("time", time), ("memory", memory)):
        tenth = statistics.quantiles(found, n=10)[-1]
        middle = statistics.median(found)
        yield Figure(f"{name}, {what}: median factor", math.exp(middle))
        yield Figure(f"{name}, {what}: factor in 90 % of the steps", math.exp(tenth))


@click.command()
@click.option("--data", default="ml-1m", show_default=True, help="The larger data set.")
@click.option("--write", is_flag=True, help="Write the table of docs/benchmarks.md.")
def main(data: str, write: bool) -> None:
    """Measure the reference runs."""
    before = machine()
    console.print(before)
    every = ",".join(MODELS)
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        tenth = Path(folder, "ml-100k")
        write_tenth(tenth)
        runs = [
            measured(name, every, Path(folder, f"out-{number}"))
            for number, name in enumerate((str(tenth), "sample", "ml-100k"))
        ]
        truth = measured(data, SOME, Path(folder, "out-truth"))
    words = f"{before['cores']} cores with {before['memory_gb']:.0f} GB"
    text = msgspec.json.encode(Reference(words, [*runs, truth]))
    REFERENCE_FILE.write_bytes(msgspec.json.format(text, indent=1) + b"\n")
    figures = [
        *errors(Estimator(runs, []), truth, "first run"),
        *errors(Estimator(runs, [runs[-1]]), truth, "after a run on ml-100k"),
    ]
    print_figures(figures)
    if write:
        write_docs("plan", figures, before, "make bench-plan")


if __name__ == "__main__":
    main()
