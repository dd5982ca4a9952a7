"""Prints how features in served lists differ from those of training."""

from typing import TYPE_CHECKING

from rich.text import Text

from components.drift_gate.drift import DISTANCES
from components.wording import counted
from pipeline.views.formatting import inert
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal

if TYPE_CHECKING:  # it imports TensorFlow Data Validation
    from pipeline.served_features.comparison import Comparison
    from pipeline.served_features.periods import Compared


def print_comparison(console: Terminal, comparison: "Comparison") -> None:
    """Prints the distances of each period, its alerts, and what was not compared."""
    for period in comparison.compared:
        _print_period(console, period)
    for problem in (*comparison.problems, *comparison.too_few):
        console.print(Text(f"Not compared: {inert(problem)}", "yellow"))


def _print_period(console: Terminal, period: "Compared") -> None:
    console.print(
        Text.assemble(
            (f"Version {period.version} ({inert(period.model)})", "bold"),
            f", {period.period}: {counted(period.users, 'user')}, of whom the training "
            f"data has {period.trained_on:,}",
        )
    )
    table = headed_table("", "feature", "distance", "measured", "allowed", "")
    for each in period.distances:
        table.add_row(
            Text(each.between),
            Text(inert(each.feature)),
            Text(DISTANCES[each.distance]),
            Text(f"{each.value:.3f}"),
            Text(f"{each.threshold:g}"),
            Text("alert", "bold red") if each.is_alert else Text(""),
        )
    console.print(table)
    for each in period.alerts:
        console.print(Text(f"Alert: {inert(str(each))}", "bold red"))
    for reason in (*period.not_compared, *period.too_few):
        console.print(Text(f"Not compared: {inert(reason)}", "yellow"))
