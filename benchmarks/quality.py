"""``make bench-ncf`` and its like: our models beside published figures.

A table is a file of ``benchmarks/tables/``: the protocol, and for each row a model,
its hyper-parameters (chosen on the eval split) and what others published. A row is a
``marquee run`` of its own, over data steps that all rows share. What is measured is
kept in ``docs/results/``, from which ``docs/results.md`` is written anew.
"""

import datetime
import shlex
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import yaml
from rich.console import Console

from benchmarks.pipeline import machine, marquee
from pipeline.trained_on import trainer_data
from trainer_modules.inputs import Data

TABLES = Path(__file__).resolve().parent / "tables"
DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS = DOCS / "results.md"
MEASURED = DOCS / "results"
DATA = ("ml-1m", "ml-100k")
INTRODUCTION = """# Results

Each model beside the best that is published for it under the same protocol. Written by
`make bench-ncf`, `bench-ctr`, `bench-rmse` and `bench-seq`; every figure is of the test
split, every hyper-parameter and epoch was chosen on the eval split. Minutes and pairs/s
are of cores that did other work at the same time: read them as upper and lower bounds.
What steps take as pods of Kubernetes is in [Pods](results/kubernetes.md).
"""

console = Console(width=120)


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """One model under the table's protocol.

    Attributes:
      name: as the table shows it; the model's, or that of a variant.
      model: of the registry.
      floors: data set → the value of each of the table's metrics to reach.
      by: who published them, in a few words.
      settings: of the model, where they differ from its defaults.
      settings_for: data set → settings that differ there.
      tried: what else was, where the floor is not reached.
    """

    name: str
    model: str
    floors: dict[str, list[float]] = {}
    by: str = ""
    settings: dict[str, Any] = {}
    settings_for: dict[str, dict[str, Any]] = {}
    tried: str = ""


class Table(msgspec.Struct, forbid_unknown_fields=True):
    """A protocol.

    Attributes:
      title: of the section.
      protocol: in words.
      set: keys of the configuration, as ``--set`` takes them.
      metrics: what floors are about.
      shown: metrics shown beside them.
      rows: the models.
      lower_is_better: as of an error.
      tolerance: a value that misses its floor by no more has reached it.
      split_seeds: data set → the seeds of its random splits, of which the mean counts.
      set_for: data set → keys of the configuration that differ there.
    """

    title: str
    protocol: str
    set: dict[str, Any]
    metrics: list[str]
    shown: list[str]
    rows: list[Row]
    lower_is_better: bool = False
    tolerance: float = 0.0
    split_seeds: dict[str, list[int]] = {}
    set_for: dict[str, dict[str, Any]] = {}


class Measured(msgspec.Struct):
    """What a row came to: means over the splits.

    Attributes:
      metrics: of the test split.
      settings: ``--set`` options that run it again.
      parameters: of the model.
      train_seconds: of one training.
      samples_per_second: pairs through the model in training; None for a closed form.
      seconds: of all its runs, each with the data steps unless they were there.
      splits: how many random splits.
      date: when.
      cores: of the machine.
    """

    metrics: dict[str, float]
    settings: list[str]
    parameters: int
    train_seconds: float
    samples_per_second: float | None
    seconds: float
    splits: int
    date: datetime.date
    cores: int


def measure(table: Table, row: Row, data: str, out: Path) -> Measured:
    """Runs the pipeline for a row, once for each split."""
    shared = table.set | table.set_for.get(data, {})
    settings = row.settings | row.settings_for.get(data, {})
    options = shared | {f"models.{row.model}.{k}": v for k, v in settings.items()}
    sets = set_options(options)
    found, seconds = [], []
    seeds = table.split_seeds.get(data, [0])
    for seed in seeds:
        folder = out / f"{data}-split-{seed}"
        run = marquee(folder, data, row.model, *sets, f"split.seed={seed}")
        found.append(run.model(row.model))
        seconds.append(run.result["run"]["seconds"])
    speeds = [m["samples_per_second"] for m in found if m["samples_per_second"]]
    return Measured(
        metrics={
            name: statistics.fmean(m["metrics"][name] for m in found)
            for name in table.metrics + table.shown
        },
        settings=sets,
        parameters=found[0]["parameters"],
        train_seconds=statistics.fmean(m["train_seconds"] for m in found),
        samples_per_second=statistics.fmean(speeds) if speeds else None,
        seconds=sum(seconds),
        splits=len(seeds),
        date=datetime.date.today(),
        cores=machine()["cores"],
    )


def reached(table: Table, row: Row, data: str, metrics: dict[str, float]) -> str:
    """``yes``, ``no`` or nothing where nobody published a figure."""
    floors = row.floors.get(data)
    if not floors:
        return ""
    sign = -1 if table.lower_is_better else 1
    good = all(
        sign * (metrics[name] - floor) >= -table.tolerance - 1e-9
        for name, floor in zip(table.metrics, floors, strict=True)
    )
    return "yes" if good else "no"


def section(table: Table, name: str, data: str, rows: dict[str, Measured]) -> str:
    """The Markdown of a table, with a command for each row."""
    head = [
        "model",
        *(f"{metric}, to reach" for metric in table.metrics),
        "reached",
        *table.shown,
        "parameters",
        "training, minutes",
        "thousand pairs/s",
    ]
    lines = [
        f"## {table.title}: {data}",
        "",
        table.protocol.strip(),
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    shown = [row for row in table.rows if row.name in rows]
    for row in shown:
        found = rows[row.name]
        floors = row.floors.get(data, [])
        wanted = [f", {floor:.4f}" for floor in floors] or [""] * len(table.metrics)
        speed = found.samples_per_second
        cells = [
            row.name,
            *(
                f"{found.metrics[metric]:.4f}{floor}"
                for metric, floor in zip(table.metrics, wanted, strict=True)
            ),
            reached(table, row, data, found.metrics),
            *(f"{found.metrics[metric]:.4f}" for metric in table.shown),
            f"{found.parameters:,}",
            f"{found.train_seconds / 60:.1f}",
            f"{speed / 1000:.0f}" if speed else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    all_rows = [rows[row.name] for row in shown]
    minutes = sum(found.seconds for found in all_rows) / 60
    days = sorted({found.date.isoformat() for found in all_rows})
    published = dict.fromkeys(row.by for row in shown if row.by)
    lines += [
        "",
        f"`make bench-{name} DATA={data}`: {minutes:.0f} minutes on "
        f"{max(found.cores for found in all_rows)} cores, {' to '.join(days)}; "
        f"`train.seed` 0; random splits: {max(found.splits for found in all_rows)}. "
        f"To reach, by: {'; '.join(published) or 'nobody'}.",
        "",
    ]
    if table.tolerance:
        lines[-1:] = [f"Reached is what misses by at most {table.tolerance:g}.", ""]
    short = [
        f"- {row.name}: {row.tried.strip()}"
        for row in shown
        if row.tried and reached(table, row, data, rows[row.name].metrics) == "no"
    ]
    if short:
        lines += ["Not reached, and what was tried (figures of the eval split):", ""]
        lines += [*short, ""]
    lines += ["<details><summary>The commands</summary>", ""]
    for row in shown:
        options = " ".join(f"--set {shlex.quote(s)}" for s in rows[row.name].settings)
        lines.append(f"    marquee run --data {data} --models {row.model} {options}")
    return "\n".join([*lines, "", "</details>", ""])


def _read(name: str, data: str) -> dict[str, Measured]:
    path = MEASURED / f"{name}-{data}.json"
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Measured])


def _write(name: str, data: str, rows: dict[str, Measured]) -> None:
    MEASURED.mkdir(exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(rows), indent=1)
    (MEASURED / f"{name}-{data}.json").write_bytes(text + b"\n")


def write_results() -> None:
    """Writes ``docs/results.md`` from all that was measured."""
    sections = [INTRODUCTION]
    for path in sorted(TABLES.glob("*.yaml")):
        for data in DATA:
            if rows := _read(path.stem, data):
                sections.append(section(read_table(path.stem), path.stem, data, rows))
    # What other benchmarks wrote as a whole.
    sections += [path.read_text() for path in sorted(MEASURED.glob("*.md"))]
    RESULTS.write_text("\n".join(sections))


def read_table(name: str) -> Table:
    """Reads ``benchmarks/tables/<name>.yaml``."""
    return msgspec.yaml.decode((TABLES / f"{name}.yaml").read_bytes(), type=Table)


def set_options(keys: Mapping[str, Any]) -> list[str]:
    """What ``--set`` takes for keys of the configuration."""

    def text(value: Any) -> str:
        written: str = yaml.safe_dump(value, default_flow_style=True, width=1000)
        return written.removesuffix("...\n").strip()

    return [f"{key}={text(value)}" for key, value in keys.items()]


def ctr_data(out: Path) -> Data:
    """What a Trainer is given after the data steps of ``make bench-ctr``."""
    marquee(out, "ml-1m", "popularity", *set_options(read_table("ctr").set))
    data, *_ = trainer_data(out, leave_out=["user_zip"])
    return data


@click.command()
@click.argument(
    "name", type=click.Choice(sorted(path.stem for path in TABLES.glob("*.yaml")))
)
@click.argument("only", nargs=-1)
@click.option("--data", default="ml-1m", show_default=True, type=click.Choice(DATA))
@click.option("--out", type=click.Path(path_type=Path), help="Keeps the runs there.")
def main(name: str, only: tuple[str, ...], data: str, out: Path | None) -> None:
    """Measures the rows ONLY of the table NAME, or all; writes docs/results.md."""
    table = read_table(name)
    names = [row.name for row in table.rows]
    if unknown := set(only) - set(names):
        raise click.UsageError(f"no row {', '.join(unknown)}; there are {names}")
    measured = _read(name, data)
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        for row in table.rows:
            if only and row.name not in only:
                continue
            found = measured[row.name] = measure(table, row, data, out or Path(folder))
            _write(name, data, measured)
            figures = ", ".join(f"{k} {v:.4f}" for k, v in found.metrics.items())
            console.print(
                f"{row.name}: {figures}; {found.train_seconds:.0f} s of training; "
                f"reached: {reached(table, row, data, found.metrics) or 'no figure'}"
            )
    write_results()


if __name__ == "__main__":
    main()
