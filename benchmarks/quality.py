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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import yaml
from rich.console import Console

from benchmarks.pipeline import machine, marquee
from benchmarks.training_data import trainer_data
from trainer_modules.inputs import Data

TABLES = Path(__file__).resolve().parent / "tables"
DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS = DOCS / "results.md"
MEASURED = DOCS / "results"
DATA = ("ml-1m", "ml-100k")
INTRODUCTION = """# Results

Each model beside the best figure published for it under the same protocol, written by
`make bench-ncf`, `bench-ctr`, `bench-rmse` and `bench-seq`. Every figure is measured on
the test split; every hyper-parameter and epoch was chosen on the eval split. A figure
with ± is the mean over several seeds with their standard deviation; one without is of a
single seed. A row has reached its published figure when the mean, rounded to four
digits, is as good on every metric; there is no tolerance. Minutes and pairs/s were
measured on shared cores: read them as bounds. How long the steps take as pods of
Kubernetes is in [Pods](results/kubernetes.md).
"""

console = Console(width=120)


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """One model under the table's protocol.

    Attributes:
        name: As the table shows it; the model's, or that of a variant.
        model: Of the registry.
        floors: Data set → the value of each of the table's metrics to reach.
        by: Who published them, with the protocol where it differs from the table's.
        settings: Of the model, where they differ from its defaults.
        settings_for: Data set → settings that differ there.
        tried: What else was, where the floor is not reached.
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
        title: Of the section.
        protocol: In words.
        set: Keys of the configuration, as ``--set`` takes them.
        metrics: What floors are about.
        shown: Metrics shown beside them.
        rows: The models.
        lower_is_better: As of an error.
        seeds: Of training, and of the split where it is random; the mean counts.
    """

    title: str
    protocol: str
    set: dict[str, Any]
    metrics: list[str]
    shown: list[str]
    rows: list[Row]
    lower_is_better: bool = False
    seeds: tuple[int, ...] = (0, 1, 2)


class Measured(msgspec.Struct):
    """The measured result of a row: means over the seeds.

    Attributes:
        metrics: Of the test split.
        deviations: Standard deviation of each metric over the seeds; empty for one
            seed.
        settings: ``--set`` options that run it again.
        parameters: Of the model.
        train_seconds: Of one training.
        samples_per_second: Pairs through the model in training; None for a closed form.
        seconds: Of all its runs, each with the data steps unless they were there.
        seeds: Of training, and of the split where it is random.
        date: When.
        cores: Of the machine.
    """

    metrics: dict[str, float]
    deviations: dict[str, float]
    settings: list[str]
    parameters: int
    train_seconds: float
    samples_per_second: float | None
    seconds: float
    seeds: tuple[int, ...]
    date: datetime.date
    cores: int


def measure(
    table: Table, row: Row, data: str, seeds: Sequence[int], out: Path
) -> Measured:
    """Runs the pipeline for a row, once for each seed."""
    settings = row.settings | row.settings_for.get(data, {})
    options = table.set | {f"models.{row.model}.{k}": v for k, v in settings.items()}
    sets = set_options(options)
    is_random = table.set.get("split.kind") == "random"
    found, seconds = [], []
    for seed in seeds:
        split = seed if is_random else 0  # the data steps are shared otherwise
        folder = out / f"{data}-split-{split}"
        seeded = (f"train.seed={seed}", f"split.seed={split}")
        run = marquee(folder, data, row.model, *sets, *seeded)
        found.append(run.model(row.model))
        seconds.append(run.result["run"]["seconds"])
    speeds = [m["samples_per_second"] for m in found if m["samples_per_second"]]
    values = {
        name: [m["metrics"][name] for m in found]
        for name in table.metrics + table.shown
    }
    return Measured(
        metrics={name: statistics.fmean(each) for name, each in values.items()},
        deviations={
            name: statistics.stdev(each) for name, each in values.items() if each[1:]
        },
        settings=sets,
        parameters=found[0]["parameters"],
        train_seconds=statistics.fmean(m["train_seconds"] for m in found),
        samples_per_second=statistics.fmean(speeds) if speeds else None,
        seconds=sum(seconds),
        seeds=tuple(seeds),
        date=datetime.date.today(),
        cores=machine()["cores"],
    )


def reached(table: Table, row: Row, data: str, metrics: dict[str, float]) -> str:
    """``yes``, ``no``, or an empty text where nobody published a figure."""
    floors = row.floors.get(data)
    if not floors:
        return ""
    sign = -1 if table.lower_is_better else 1
    good = all(
        sign * (round(metrics[name], 4) - floor) >= 0
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
        "seeds",
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
                f"{_figure(found, metric)}{floor}"
                for metric, floor in zip(table.metrics, wanted, strict=True)
            ),
            reached(table, row, data, found.metrics),
            *(_figure(found, metric) for metric in table.shown),
            f"{len(found.seeds)}",
            f"{found.parameters:,}",
            f"{found.train_seconds / 60:.1f}",
            f"{speed / 1000:.0f}" if speed else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    all_rows = [rows[row.name] for row in shown]
    minutes = sum(found.seconds for found in all_rows) / 60
    days = sorted({found.date.isoformat() for found in all_rows})
    published: dict[str, list[str]] = {}
    for row in shown:
        if row.by:
            published.setdefault(row.by.strip(), []).append(row.name)
    lines += [
        "",
        f"`make bench-{name} DATA={data}`: {minutes:.0f} minutes on "
        f"{max(found.cores for found in all_rows)} cores, {' to '.join(days)}.",
        "",
        "Published by:",
        "",
        *(f"- {', '.join(names)}: {by}" for by, names in published.items()),
        "",
    ]
    short = [
        f"- {row.name}: {row.tried.strip()}"
        for row in shown
        if row.tried and reached(table, row, data, rows[row.name].metrics) == "no"
    ]
    if short:
        lines += ["Not reached; what was tried, with figures of the eval split:", ""]
        lines += [*short, ""]
    lines += ["<details><summary>The commands</summary>", ""]
    for row in shown:
        options = " ".join(f"--set {shlex.quote(s)}" for s in rows[row.name].settings)
        lines.append(f"    marquee run --data {data} --models {row.model} {options}")
    return "\n".join([*lines, "", "</details>", ""])


def _figure(found: Measured, metric: str) -> str:
    deviation = found.deviations.get(metric)
    return f"{found.metrics[metric]:.4f}" + (f" ± {deviation:.4f}" if deviation else "")


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
@click.option("--seed", "seeds", type=int, multiple=True, help="Not the table's.")
def main(
    name: str,
    only: tuple[str, ...],
    data: str,
    out: Path | None,
    seeds: tuple[int, ...],
) -> None:
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
            found = measured[row.name] = measure(
                table, row, data, seeds or table.seeds, out or Path(folder)
            )
            _write(name, data, measured)
            figures = ", ".join(f"{k} {v:.4f}" for k, v in found.metrics.items())
            console.print(
                f"{row.name}: {figures}; {found.train_seconds:.0f} s of training; "
                f"reached: {reached(table, row, data, found.metrics) or 'no figure'}"
            )
    write_results()


if __name__ == "__main__":
    main()
