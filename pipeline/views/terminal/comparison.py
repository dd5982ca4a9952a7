"""Prints two runs side by side."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.runs.compare import Comparison, Difference, Metric
from pipeline.views.formatting import duration, figure, inert, interval, optional
from pipeline.views.terminal.leaderboard import LEADERBOARD_METRICS
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal

# The first of the leaderboard are always shown, others if they have intervals.
_NUM_METRICS = 2


def print_comparison(console: Terminal, comparison: Comparison) -> None:
    """Prints data, settings, metrics, verdicts and durations (``marquee compare``)."""
    both = [inert(run.id) for run in comparison.runs]
    if comparison.not_comparable:
        console.print(Text("The metrics cannot be compared:", "bold yellow"))
        for reason in comparison.not_comparable:
            console.print(Text(f"  {inert(reason)}", "yellow"))
        console.print()
    console.print(_facts(comparison, both))
    console.print()
    if comparison.configuration:
        console.print(_differences("setting", comparison.configuration, both))
    else:
        console.print("The settings are the same.")
    console.print()
    console.print(_models(comparison, both))
    for names, run in zip(comparison.only, both, strict=True):
        if names:
            console.print(Text(f"Only in {run}: {inert(', '.join(names))}"))
    console.print()
    console.print(_seconds(comparison.seconds, both))


def _facts(comparison: Comparison, both: Sequence[str]) -> RenderableType:
    first, second = comparison.runs
    runs = [
        Difference("status", first.status, second.status),
        Difference("started", first.started, second.started),
        Difference("took", duration(first.seconds), duration(second.seconds)),
    ]
    return _differences("run", [*runs, *comparison.data], both)


def _differences(
    heading: str, differences: Sequence[Difference], both: Sequence[str]
) -> Table:
    """Returns a table with a row for each value, bold where the runs differ."""
    table = headed_table(heading, *both)
    for value in differences:
        style = "" if value.first == value.second else "bold"
        cells = (inert(value.name), _shown(value.first), _shown(value.second))
        table.add_row(*(Text(cell, style) for cell in cells))
    return table


def _shown(value: object) -> str:
    if isinstance(value, list):
        return inert(", ".join(map(str, value)) or "none")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return optional(value, inert)


def _models(comparison: Comparison, both: Sequence[str]) -> RenderableType:
    table = headed_table("model", "", *both, "difference")
    for model in comparison.models:
        rows = [("verdict", *map(inert, model.verdict), "")]
        rows += [
            (metric.name, *_figures(metric), _difference(metric))
            for metric in model.metrics
            if metric.name in LEADERBOARD_METRICS[:_NUM_METRICS]
            or metric.apart is not None
        ]
        train = (optional(seconds, duration) for seconds in model.train_seconds)
        rows.append(("train", *train, ""))
        for number, cells in enumerate(rows):
            name = "" if number else inert(model.name)
            table.add_row(Text(name, "bold"), *map(Text, cells))
        table.add_section()
    return table


def _figures(metric: Metric) -> tuple[str, str]:
    first, second = (
        figure(value) + (f" ({interval(ends)})" if ends else "")
        for value, ends in (
            (metric.first, metric.first_interval),
            (metric.second, metric.second_interval),
        )
    )
    return first, second


def _difference(metric: Metric) -> str:
    if metric.first is None or metric.second is None:
        return "-"
    difference = f"{metric.second - metric.first:+.4f}"
    if metric.apart is None:
        return difference
    verdict = "beyond both intervals" if metric.apart else "intervals overlap"
    return f"{difference}, {verdict}"


def _seconds(seconds: Sequence[Difference], both: Sequence[str]) -> RenderableType:
    table = headed_table("step", *both)
    for step in seconds:
        times = (optional(value, duration) for value in (step.first, step.second))
        table.add_row(*map(Text, (inert(step.name), *times)))
    return table
