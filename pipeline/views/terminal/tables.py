"""Tables in the style of all commands."""

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.views.formatting import inert


def headed_table(*columns: str) -> Table:
    """Returns a table with a line below its header, to which columns may be added.

    Args:
        columns: Names of columns that wrap in a narrow terminal rather than being cut.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def fact_grid(facts: Iterable[tuple[str, object]]) -> Table:
    """Returns a grid with a line for each fact, its name in bold."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, fact in facts:
        grid.add_row(name, Text(inert(fact)))
    return grid
