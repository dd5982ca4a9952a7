"""The tables of ``docs/results.md``: their rows, what was measured, and the page."""

import datetime
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

TABLES = Path(__file__).resolve().parent / "tables"
DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS = DOCS / "results.md"
MEASURED = DOCS / "results"
# Files of BERT4Rec's repository (https://github.com/FeiSun/BERT4Rec), which are not
# downloaded: the reader puts them into MARQUEE_DATA_DIR.
HANDED_OVER = {"beauty": "beauty.txt", "steam": "steam.txt"}
DATA = ("ml-1m", "ml-100k", *HANDED_OVER)
SPLITS = {"seq-full": "leave-last-out", "seq-temporal": "two cuts in time"}
ORDERED_BY = "ndcg@10"  # the same models under each of these splits
INTRODUCTION = """# Results

`make bench-ncf`, `bench-ctr`, `bench-rmse`, `bench-seq`, `bench-seq-full` and
`bench-general` compare each model with the best figure published for it under the same
protocol, and write this page; so does `bench-seq-temporal`, for which there are none.
Every figure is measured on the test split; every hyperparameter and epoch was chosen on
the eval split. A figure with ± is the mean over several seeds with their standard
deviation; one without is from a single seed. A row reaches its published figure if the
mean, rounded to four digits, is at least as good on every metric, without any
tolerance. Minutes and pairs/s were measured on shared cores, and are bounds.
[Pods](results/kubernetes.md) has the durations of the steps as pods on Kubernetes, and
[Warm starts](results/warm-start.md) the epochs that a start from the live model saves.
"""


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """One model under the table's protocol.

    Attributes:
        name: Name that the table shows: the model's, or that of a variant.
        model: Name of the model in the registry.
        floors: Data set → the value to reach for each of the table's metrics.
        by: Source of these values, with its protocol if it differs from the table's.
        settings: Settings of the model that differ from its defaults.
        settings_for: Data set → settings that differ for this data set.
        tried: What else was tried, if the values are not reached.
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
        title: Heading of the section.
        protocol: Description of the protocol.
        set: Keys of the configuration and their values, as for ``--set``.
        metrics: Metrics that published values exist for.
        shown: Metrics shown beside them.
        rows: The rows of the table.
        rows_of: Name of the table whose models and settings are also the rows of this
            one, for which nothing is published; empty if it has rows of its own.
        lower_is_better: Whether the metrics are errors.
        seeds: Seeds of training, and of the split if it is random. The mean over the
            seeds is compared.
    """

    title: str
    protocol: str
    set: dict[str, Any]
    metrics: list[str]
    shown: list[str]
    rows: list[Row] = []
    rows_of: str = ""
    lower_is_better: bool = False
    seeds: tuple[int, ...] = (0, 1, 2)


class Measured(msgspec.Struct):
    """The measured result of a row: means over the seeds.

    Attributes:
        metrics: Metrics of the test split.
        deviations: Standard deviation of each metric over the seeds; empty for one
            seed.
        settings: Values of ``--set`` that reproduce it.
        parameters: Number of the model's parameters.
        train_seconds: Seconds of one training.
        samples_per_second: Pairs that training processes per second; None for a closed
            form.
        seconds: Seconds of all its runs, with the data steps unless they were cached.
        seeds: Seeds of training, and of the split if it is random.
        date: Date of the measurement.
        cores: Number of the machine's cores.
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


def reached(table: Table, row: Row, data: str, metrics: dict[str, float]) -> str:
    """Returns ``yes``, ``no``, or an empty text without a published value."""
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
    """Returns the Markdown of a table, with a command for each row.

    Args:
        table: The table.
        name: Name of its file.
        data: Data set that the rows were measured on.
        rows: Name of a row → its result.
    """
    shown = [row for row in table.rows if row.name in rows]
    lines = [
        f"## {table.title}: {data}",
        "",
        table.protocol.strip(),
        "",
        *_table(table, data, shown, rows),
        "",
        _provenance(name, data, [rows[row.name] for row in shown]),
        "",
        *_sources(shown),
        *_not_reached(table, data, shown, rows),
        "<details><summary>The commands</summary>",
        "",
        *(_command(row, data, rows[row.name]) for row in shown),
        "",
        "</details>",
        "",
    ]
    return "\n".join(lines)


def _table(
    table: Table, data: str, shown: Sequence[Row], rows: dict[str, Measured]
) -> list[str]:
    is_published = bool(table.metrics)
    head = [
        "model",
        *(f"{metric}, to reach" for metric in table.metrics),
        *(["reached"] if is_published else []),
        *table.shown,
        "seeds",
        "parameters",
        "training, minutes",
        "thousand pairs/s",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
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
            *([reached(table, row, data, found.metrics)] if is_published else []),
            *(_figure(found, metric) for metric in table.shown),
            f"{len(found.seeds)}",
            f"{found.parameters:,}",
            f"{found.train_seconds / 60:.1f}",
            f"{speed / 1000:.0f}" if speed else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _figure(found: Measured, metric: str) -> str:
    deviation = found.deviations.get(metric)
    return f"{found.metrics[metric]:.4f}" + (f" ± {deviation:.4f}" if deviation else "")


def _provenance(name: str, data: str, found: Sequence[Measured]) -> str:
    minutes = sum(row.seconds for row in found) / 60
    dates = [row.date.isoformat() for row in found]
    days = sorted({min(dates), max(dates)})
    return (
        f"`make bench-{name} DATA={data}`: {minutes:.0f} minutes on "
        f"{max(row.cores for row in found)} cores, {' to '.join(days)}."
    )


def _sources(shown: Sequence[Row]) -> list[str]:
    published: dict[str, list[str]] = {}
    for row in shown:
        if row.by:
            published.setdefault(row.by.strip(), []).append(row.name)
    if not published:
        return []
    sources = (f"- {', '.join(names)}: {by}" for by, names in published.items())
    return ["Published by:", "", *sources, ""]


def _not_reached(
    table: Table, data: str, shown: Sequence[Row], rows: dict[str, Measured]
) -> list[str]:
    lines = [
        f"- {row.name}: {row.tried.strip()}"
        for row in shown
        if row.tried and reached(table, row, data, rows[row.name].metrics) == "no"
    ]
    if not lines:
        return []
    return ["Not reached; tried, with figures of the eval split:", "", *lines, ""]


def _command(row: Row, data: str, found: Measured) -> str:
    options = " ".join(f"--set {shlex.quote(setting)}" for setting in found.settings)
    source = f"{data}.csv" if data in HANDED_OVER else data
    return f"    marquee run --data {source} --models {row.model} {options}"


def both_orders(data: str, splits: Mapping[str, Mapping[str, Measured]]) -> str:
    """Returns the Markdown of rows measured under all splits, best first, or nothing.

    Args:
        data: Data set that the rows were measured on.
        splits: Description of a split → name of a row → its result.
    """
    if not (names := set.intersection(*map(set, splits.values()))):
        return ""
    orders = [
        sorted(names, key=lambda name: rows[name].metrics[ORDERED_BY], reverse=True)
        for rows in splits.values()
    ]
    lines = [
        f"## Both orders: {data}",
        "",
        f"The models of both tables by {ORDERED_BY}. Only the orders can be compared:",
        "after cuts in time, a user has several targets.",
        "",
        f"| | {' | '.join(splits)} |",
        "|" + "---|" * (1 + len(splits)),
    ]
    for place, found in enumerate(zip(*orders, strict=True), start=1):
        pairs = zip(found, splits.values(), strict=True)
        cells = (f"{name} {_figure(rows[name], ORDERED_BY)}" for name, rows in pairs)
        lines.append(f"| {place} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def read_measured(name: str, data: str) -> dict[str, Measured]:
    """Returns the results of a table on a data set; empty before its first run."""
    path = MEASURED / f"{name}-{data}.json"
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Measured])


def write_measured(name: str, data: str, rows: dict[str, Measured]) -> None:
    """Writes the results of a table on a data set."""
    MEASURED.mkdir(exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(rows), indent=1)
    (MEASURED / f"{name}-{data}.json").write_bytes(text + b"\n")


def write_results() -> None:
    """Writes ``docs/results.md`` from everything that was measured."""
    sections = [INTRODUCTION]
    for path in sorted(TABLES.glob("*.yaml")):
        for data in DATA:
            if rows := read_measured(path.stem, data):
                sections.append(section(read_table(path.stem), path.stem, data, rows))
    for data in DATA:
        splits = {split: read_measured(name, data) for name, split in SPLITS.items()}
        if orders := both_orders(data, splits):
            sections.append(orders)
    sections.append((MEASURED / "retraining.md").read_text())  # make bench-retrain
    RESULTS.write_text("\n".join(sections))


def read_table(name: str) -> Table:
    """Reads ``benchmarks/tables/<name>.yaml``, with its rows if they are another's."""
    table = msgspec.yaml.decode((TABLES / f"{name}.yaml").read_bytes(), type=Table)
    if table.rows_of:
        table.rows = [
            msgspec.structs.replace(row, floors={}, by="", tried="")
            for row in read_table(table.rows_of).rows
        ]
    return table
