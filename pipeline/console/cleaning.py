"""What killed runs left, as a person reads it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from pipeline.console.tables import headed_table
from pipeline.console.terminal import Terminal, inert

if TYPE_CHECKING:
    from pipeline.cleaning import Leftover


def print_leftovers(
    console: Terminal, found: "Sequence[Leftover]", removed: bool
) -> None:
    """Prints what may be removed, or was."""
    if not found:
        console.print("Nothing is left of killed or failed runs.")
        return
    table = headed_table("path", "what it is")
    table.add_column("MB", justify="right", no_wrap=True)
    for leftover in found:
        size = f"{leftover.size / 1e6:,.2f}"
        table.add_row(Text(inert(leftover.path)), Text(leftover.reason), Text(size))
    console.print(table)
    total = f"{sum(leftover.size for leftover in found) / 1e6:,.2f} MB"
    if removed:
        console.print(f"\nRemoved: {total}.")
    else:
        console.print(f"\n{total}; marquee clean --yes removes it.")
