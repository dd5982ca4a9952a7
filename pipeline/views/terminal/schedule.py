"""Prints the firings of a schedule."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from pipeline.views.formatting import duration, inert
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal

if TYPE_CHECKING:  # only `marquee schedule` needs it
    from pipeline.retraining.cron_schedule import Schedule
    from pipeline.retraining.schedule_log import Entry


def print_schedule(console: Terminal, schedule: "Schedule", log: Path) -> None:
    """Prints the next firings and the path of the log when a scheduler starts."""
    now = datetime.datetime.now(datetime.UTC)
    coming = ", ".join(map(schedule.local, schedule.next(now, 3)))
    console.print(Text.assemble(("Next", "bold"), f"  {coming}"), soft_wrap=True)
    console.print(Text.assemble(("Log", "bold"), f"   {inert(log)}"), soft_wrap=True)


def print_firing(console: Terminal, entry: "Entry") -> None:
    """Prints one line about a firing that ended."""
    line = f"{entry.local(entry.due)}  {_firing_words(entry)}"
    console.print(Text(line), soft_wrap=True)


def print_firings(console: Terminal, entries: Sequence["Entry"], out: Path) -> None:
    """Prints the last firings of a schedule, the newest first."""
    if not entries:
        console.print(f"Nothing was due yet in {inert(out)}.")
        return
    table = headed_table()
    table.add_column("due", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("run", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for entry in reversed(entries):
        table.add_row(
            Text(inert(entry.local(entry.due))),
            Text(_took(entry)),
            Text(inert(entry.run or "-")),
            Text(_firing_words(entry)),
        )
    console.print(table)


def _firing_words(entry: "Entry") -> str:
    """Returns the result of a firing, and how many others it replaced."""
    words = inert(entry.verdict or "running")
    if entry.event == "skipped":
        return words + (f", with {entry.missed} before it" if entry.missed else "")
    if entry.is_late:
        words += f"; started {duration(entry.late_seconds)} late"
    if entry.missed:
        words += f"; also replaces {entry.missed} missed before it"
    return words


def _took(entry: "Entry") -> str:
    if entry.started is None or entry.ended is None:
        return "-"
    return duration((entry.ended - entry.started).total_seconds())
