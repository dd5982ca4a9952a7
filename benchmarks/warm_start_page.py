"""The page ``docs/results/warm-start.md``."""

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.results import write_results

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
MEASURED, PAGE = RESULTS / "warm-start-ml-1m.json", RESULTS / "warm-start.md"
CUTS = {  # of the ratings that the live model was trained on, and of those that exist
    "live": datetime.datetime(2000, 12, 1, tzinfo=datetime.UTC),
    "now": datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC),
}
INTRODUCTION = """## Warm start: ml-1m

The live model was trained on the ratings before {live:%Y-%m-%d}. The others are trained
on those before {now:%Y-%m-%d}: "cold" from scratch, and "warm" from the live model. All
settings are each model's defaults, and the split is the pipeline's default.

Epochs and CPU seconds (of all cores, with the computation of the eval metric) count
until the eval metric was as good as the best one of the cold start. "Untrained" and
"best" are metrics of the eval split, which chooses the epoch, and "test" is that of the
test split after this epoch. `trainer_modules/validation.py` defines the metrics.
"""


class Row(msgspec.Struct):
    """A model's line of the table. Pairs are cold and then warm.

    Attributes:
        metric: Name of the metric on the eval split that chooses the epoch.
        untrained: The metric before training.
        epochs: Epochs until the metric was as good as the cold start's best; None if it
            never was.
        cpu_seconds: CPU seconds until then.
        best: The metric after the epoch that was kept.
        test: The same metric on the test split.
        start: Numbers of users and items that the warm start took over.
        date: Date of the measurement.
        cores: Number of the machine's cores.
    """

    metric: str
    untrained: tuple[float, float]
    epochs: tuple[int | None, int | None]
    cpu_seconds: tuple[float | None, float | None]
    best: tuple[float, float]
    test: tuple[float, float]
    start: dict[str, Any]
    date: datetime.date
    cores: int


def page(rows: Mapping[str, Row]) -> str:
    """Returns the Markdown of all rows."""
    columns: dict[str, tuple[str, Callable[[Row], tuple[Any, Any]]]] = {
        "epochs": ("d", lambda row: row.epochs),
        "CPU seconds": (".0f", lambda row: row.cpu_seconds),
        "untrained": (".4f", lambda row: row.untrained),
        "best": (".4f", lambda row: row.best),
        "test": (".4f", lambda row: row.test),
    }
    head = ["model", "metric"]
    head += [f"{name}, {how}" for name in columns for how in ("cold", "warm")]
    head += ["users and items kept", "new"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, found in rows.items():
        cells = [name, found.metric]
        for digits, values in columns.values():
            cells += [
                "never" if value is None else format(value, digits)
                for value in values(found)
            ]
        cells += [
            "{users_kept:,} and {items_kept:,}".format(**found.start),
            "{new_users:,} and {new_items:,}".format(**found.start),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    days = sorted({found.date.isoformat() for found in rows.values()})
    cores = max(found.cores for found in rows.values())
    command = f"`make bench-warm-start`: {cores} cores, {' to '.join(days)}; one seed."
    return "\n".join([INTRODUCTION.format(**CUTS), *lines, "", command, ""])


def add(name: str, row: Row) -> None:
    """Adds or replaces a model's row, and writes ``docs/results.md``."""
    rows = {}
    if MEASURED.exists():
        rows = msgspec.json.decode(MEASURED.read_bytes(), type=dict[str, Row])
    rows[name] = row
    MEASURED.write_bytes(
        msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n"
    )
    PAGE.write_text(page(rows))
    write_results()
