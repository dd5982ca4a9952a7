"""Prints what `marquee doctor` finds."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline.views.formatting import inert
from pipeline.views.terminal.terminal import Terminal

if TYPE_CHECKING:  # only `marquee doctor` needs it
    from pipeline.doctor import Check

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def print_checks(console: Terminal, checks: "Iterable[Check]") -> bool:
    """Prints each check as soon as it is made, and returns whether none failed."""
    is_healthy = True
    for check in checks:
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_column(width=4)
        row.add_column(width=14)
        row.add_column(overflow="fold")
        row.add_row(
            Text(check.state, _STYLES[check.state]),
            Text(check.name),
            Text(inert(check.text)),
        )
        console.print(row)
        is_healthy = is_healthy and check.state != "fail"
    return is_healthy
