"""``make bench-plan``: the reference runs that ``marquee run --plan`` estimates from.

Every model is trained for one epoch on data sets of several sizes. What each step has
cost is written to ``pipeline/plan/reference.json``. Printed is how well the costs on
the largest data set follow from the others, and from those of its own run.
"""

import math
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec

from benchmarks.figures import Figure, console, machine, print_figures
from benchmarks.processes import marquee
from pipeline.plan.estimate import Estimator
from pipeline.plan.observed import (
    REFERENCE_FILE,
    Cost,
    Observed,
    Reference,
    observe,
)
from trainer_modules.registry import MODELS


def measured(data: str, folder: Path) -> Observed:
    """Returns what the steps of a run on a data set have cost."""
    fitted = [name for name, spec in MODELS.items() if spec.is_fitted]
    epochs = [f"models.{name}.epochs=1" for name in fitted]
    run = observe(marquee(folder / data, data, "all", *epochs).record)
    if run is None:
        raise click.ClickException(f"{data} could not be read")
    steps = {
        name: Cost(round(cost.seconds, 2), cost.peak_memory)
        for name, cost in run.steps.items()
    }
    return msgspec.structs.replace(run, steps=steps)


def errors(reference: Sequence[Observed], truth: Observed) -> Iterator[Figure]:
    """Yields how far estimates from reference runs are from the truth, as factors."""
    estimator = Estimator(reference, [])
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
        yield Figure(f"{what}: median factor", math.exp(statistics.median(found)))
        yield Figure(f"{what}: factor in 90 % of the steps", math.exp(tenth))


@click.command()
@click.option(
    "--data", multiple=True, default=("sample", "ml-100k", "ml-1m"), show_default=True
)
@click.option("--write/--no-write", default=True, help="Whether to write the file.")
def main(data: tuple[str, ...], write: bool) -> None:
    """Measure the reference runs."""
    found = machine()
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        runs = [measured(name, Path(folder)) for name in data]
    if write:
        words = f"{found['cores']} cores with {found['memory_gb']:.0f} GB"
        text = msgspec.json.encode(Reference(words, runs))
        REFERENCE_FILE.write_bytes(msgspec.json.format(text, indent=1) + b"\n")
    console.print(found)
    *smaller, largest = runs
    console.print(f"{data[-1]}, from {' and '.join(data[:-1])}:")
    print_figures(errors(smaller, largest))


if __name__ == "__main__":
    main()
