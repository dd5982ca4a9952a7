"""Prints what killed and old runs left behind."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from pipeline.views.formatting import inert
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal

if TYPE_CHECKING:
    from pipeline.runs.cleanup import Leftover
    from pipeline.runs.retention import Retired


def print_leftovers(
    console: Terminal, found: "Sequence[Leftover]", removed: bool
) -> None:
    """Prints what may be removed, or was removed."""
    if not found:
        console.print("Killed and failed runs left nothing behind.")
        return
    table = headed_table("path", "reason")
    table.add_column("MB", justify="right", no_wrap=True)
    for leftover in found:
        size = f"{leftover.size / 1e6:,.2f}"
        table.add_row(Text(inert(leftover.path)), Text(leftover.reason), Text(size))
    console.print(table)
    total = f"{_megabytes(found)} MB"
    if removed:
        console.print(f"\nRemoved: {total}.")
    else:
        console.print(f"\n{total}; `marquee clean --yes` removes it.")


def print_retired(
    console: Terminal, retired: "Retired", old: "Sequence[Leftover]", removed: bool
) -> None:
    """Prints which finished runs may be removed, or were removed."""
    if not old and not retired.runs:
        console.print("Every finished run is kept or needed by a version.")
        return
    runs = f"{len(retired.runs):,} old runs"
    if retired.runs:
        runs += f", {inert(retired.runs[0])} to {inert(retired.runs[-1])}"
    gone = sum(leftover.problem is None for leftover in old)
    size = f"{gone:,} folders of {_megabytes(old)} MB"
    if removed:
        console.print(f"\nRemoved: {runs}; {size}.")
    else:
        console.print(
            f"\nNot needed: {runs}; {size}. The same command with --yes removes them."
        )


def _megabytes(leftovers: "Sequence[Leftover]") -> str:
    """Returns the size of those that can be, or were, removed."""
    size = sum(leftover.size for leftover in leftovers if leftover.problem is None)
    return f"{size / 1e6:,.2f}"
