"""Tables as all commands print them."""

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.views.formatting import inert


def headed_table(*columns: str) -> Table:
    """A table with a line below its head; its owner may add columns that do not fold.

    Args:
        columns: That fold where the terminal is narrow: no character is left out.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def fact_grid(facts: Iterable[tuple[str, object]]) -> Table:
    """A line for each fact, its name in bold."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, fact in facts:
        grid.add_row(name, Text(inert(fact)))
    return grid
