"""``make bench-ncf`` and similar: compares our models with published figures.

A table is a file in ``benchmarks/tables/``: the protocol, and for each row a model, its
hyperparameters (chosen on the eval split) and published values. A row is a ``marquee
run`` of its own; all rows share their data steps. The results are stored in
``docs/results/``, and ``docs/results.md`` is written from them.
"""

import datetime
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console

from benchmarks.figures import machine
from benchmarks.processes import marquee
from benchmarks.ratings import write_ordered_pairs
from benchmarks.results import (
    DATA,
    HANDED_OVER,
    TABLES,
    Measured,
    Row,
    Table,
    reached,
    read_measured,
    read_table,
    write_measured,
    write_results,
)
from benchmarks.training_data import trainer_data
from pipeline.runs.model_record import ModelRecord
from trainer_modules.inputs import Data

console = Console(width=120)


def measure(
    table: Table, row: Row, data: str, source: str, seeds: Sequence[int], out: Path
) -> Measured:
    """Runs the pipeline for a row on a data set's source, once for each seed."""
    settings = row.settings | row.settings_for.get(data, {})
    options = table.set | {f"models.{row.model}.{k}": v for k, v in settings.items()}
    sets = set_options(options)
    is_random = table.set.get("split.kind") == "random"
    found: list[ModelRecord] = []
    metrics: list[dict[str, float]] = []
    seconds: list[float] = []
    for seed in seeds:
        split = seed if is_random else 0  # otherwise, all seeds share the data steps
        folder = out / f"{data}-split-{split}"
        seeded = (f"train.seed={seed}", f"split.seed={split}")
        run = marquee(folder, source, row.model, *sets, *seeded)
        found.append(run.model(row.model))
        metrics.append(run.metrics(row.model))
        seconds.append(run.record.run.seconds)
    speeds = [m.samples_per_second for m in found if m.samples_per_second]
    values = {
        name: [measured[name] for measured in metrics]
        for name in table.metrics + table.shown
    }
    return Measured(
        metrics={name: statistics.fmean(v) for name, v in values.items()},
        deviations={
            name: statistics.stdev(v) for name, v in values.items() if len(v) > 1
        },
        settings=sets,
        parameters=found[0].parameters,
        train_seconds=statistics.fmean(m.train_seconds or 0 for m in found),
        samples_per_second=statistics.fmean(speeds) if speeds else None,
        seconds=sum(seconds),
        seeds=tuple(seeds),
        date=datetime.date.today(),
        cores=machine()["cores"],
    )


def set_options(keys: Mapping[str, Any]) -> list[str]:
    """Returns the values of ``--set`` for keys of the configuration."""

    def text(value: Any) -> str:
        written: str = yaml.safe_dump(value, default_flow_style=True, width=1000)
        return written.removesuffix("...\n").strip()

    return [f"{key}={text(value)}" for key, value in keys.items()]


def handed_over(data: str, folder: Path) -> str:
    """Writes a data set that was put into MARQUEE_DATA_DIR as ratings with times.

    Returns:
        The path of the file.

    Raises:
        click.ClickException: If the data set is not there.
    """
    pairs = Path(os.environ.get("MARQUEE_DATA_DIR", "."), HANDED_OVER[data])
    if not pairs.exists():
        raise click.ClickException(
            f"{pairs} does not exist. Download it from "
            "https://github.com/FeiSun/BERT4Rec/tree/master/data, and set "
            "MARQUEE_DATA_DIR to its folder"
        )
    path = folder / f"{data}.csv"
    write_ordered_pairs(pairs, path)
    return str(path)


def ctr_data(out: Path) -> Data:
    """Runs the data steps of ``make bench-ctr``; returns what a Trainer reads."""
    marquee(out, "ml-1m", "popularity", *set_options(read_table("ctr").set))
    data, *_ = trainer_data(out, leave_out=["user_zip"])
    return data


@click.command()
@click.argument(
    "name", type=click.Choice(sorted(path.stem for path in TABLES.glob("*.yaml")))
)
@click.argument("only", nargs=-1)
@click.option("--data", default="ml-1m", show_default=True, type=click.Choice(DATA))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Keep the runs in this folder."
)
@click.option(
    "--seed", "seeds", type=int, multiple=True, help="Instead of the table's."
)
def main(
    name: str,
    only: tuple[str, ...],
    data: str,
    out: Path | None,
    seeds: tuple[int, ...],
) -> None:
    """Measure the rows ONLY, or all, of the table NAME; write docs/results.md."""
    table = read_table(name)
    names = [row.name for row in table.rows]
    if unknown := set(only) - set(names):
        raise click.UsageError(f"no row {', '.join(unknown)}; the rows are {names}")
    measured = read_measured(name, data)
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        source = handed_over(data, Path(folder)) if data in HANDED_OVER else data
        for row in table.rows:
            if only and row.name not in only:
                continue
            found = measured[row.name] = measure(
                table, row, data, source, seeds or table.seeds, out or Path(folder)
            )
            write_measured(name, data, measured)
            figures = ", ".join(f"{k} {v:.4f}" for k, v in found.metrics.items())
            console.print(
                f"{row.name}: {figures}; {found.train_seconds:.0f} s of training; "
                f"reached: {reached(table, row, data, found.metrics) or 'no figure'}"
            )
    write_results()


if __name__ == "__main__":
    main()
