"""Two runs side by side."""

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.runs.compare import Comparison, Difference, Metric
from pipeline.views.terminal.numbers import duration, figure, optional
from pipeline.views.terminal.run_result import LEADERBOARD_METRICS
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal, inert

# The first of the leaderboard, and those that have intervals.
_NUM_METRICS = 2


def print_comparison(console: Terminal, comparison: Comparison) -> None:
    """Data, settings, metrics, verdicts and seconds (``marquee compare``)."""
    both = [inert(run["id"]) for run in comparison.runs]
    if comparison.not_comparable:
        console.print(Text("The figures cannot be compared:", "bold yellow"))
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
    runs = [
        Difference(name, *(run[name] for run in comparison.runs))
        for name in ("status", "started")
    ]
    took = Difference("took", *(duration(run["seconds"]) for run in comparison.runs))
    return _differences("run", [*runs, took, *comparison.data], both)


def _differences(
    first: str, differences: Sequence[Difference], both: Sequence[str]
) -> Table:
    """A row for each; bold where the two are not the same."""
    table = headed_table(first, *both)
    for each in differences:
        style = "" if each.first == each.second else "bold"
        cells = (inert(each.name), _told(each.first), _told(each.second))
        table.add_row(*(Text(cell, style) for cell in cells))
    return table


def _told(value: Any) -> str:
    if isinstance(value, list):
        return inert(", ".join(map(str, value)) or "none")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "-" if value is None else inert(value)


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
        train = (optional(each, duration) for each in model.train_seconds)
        rows.append(("train", *train, ""))
        for number, cells in enumerate(rows):
            name = "" if number else inert(model.name)
            table.add_row(Text(name, "bold"), *map(Text, cells))
        table.add_section()
    return table


def _figures(metric: Metric) -> tuple[str, str]:
    told = [
        figure(value) + (f" ({'–'.join(map(figure, ends))})" if ends else "")
        for value, ends in (
            (metric.first, metric.first_interval),
            (metric.second, metric.second_interval),
        )
    ]
    return told[0], told[1]


def _difference(metric: Metric) -> str:
    if metric.first is None or metric.second is None:
        return "-"
    told = f"{metric.second - metric.first:+.4f}"
    if metric.apart is None:
        return told
    return f"{told}, {'beyond both intervals' if metric.apart else 'intervals overlap'}"


def _seconds(seconds: Sequence[Difference], both: Sequence[str]) -> RenderableType:
    table = headed_table("step", *both)
    for each in seconds:
        times = (optional(value, duration) for value in (each.first, each.second))
        table.add_row(*map(Text, (inert(each.name), *times)))
    return table
