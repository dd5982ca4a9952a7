"""Prints what users did with the lists that they were shown."""

import datetime
from pathlib import Path

from rich.table import Table
from rich.text import Text

from components.live_models import versions
from components.wording import counted
from pipeline.online.figures import ALL, Figures, Online, VersionFigures
from pipeline.online.measure import measure_if_logged
from pipeline.online.rates import Rate
from pipeline.views.formatting import count, inert, optional
from pipeline.views.online_notes import notes
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal

SHOWN_STATES = ("removed", "on trial")


def print_live(console: Terminal, out: Path) -> None:
    """Prints the CTR of the live version, if lists of it can be counted.

    Args:
        console: The terminal.
        out: Folder of the runs.
    """
    known = versions.readable(out / "live")
    if not known:
        return
    # No older list is of this version.
    pushed = datetime.datetime.fromisoformat(known[-1].pushed).timestamp()
    found = measure_if_logged(out, int(pushed))
    live = found and found.live
    if live:
        all_users = live.slices[ALL]
        ctr = _rate(all_users.ctr).plain.replace("\n", ", ")
        lists = f"{counted(all_users.lists, 'list')} of version {live.version}"
        line = Text.assemble(
            ("Online", "bold"), f"  CTR {ctr} ({lists}); marquee online\n"
        )
        console.print(line)


def print_online(console: Terminal, online: Online) -> None:
    """Prints the figures of each version, the newest first, and what they leave out."""
    if online.versions:
        console.print(_versions(online))
        console.print()
        console.print(_positions(online.live or online.versions[-1]))
        console.print()
    for line in notes(online):
        console.print(Text(inert(line)))


def _versions(online: Online) -> Table:
    has_conversion = bool(online.conversions)
    conversion = ["conversion"] if has_conversion else []
    table = headed_table(
        *("version", "lists", "CTR", "clicked", *conversion, "nDCG", "new", "coverage")
    )
    for version in reversed(online.versions):
        style = "bold green" if version.state == "live" else ""
        state = f", {version.state}" if version.state in SHOWN_STATES else ""
        for name, figures in version.slices.items():
            is_all = name == ALL
            heading = f"{version.version} {inert(version.model)}{state}"
            table.add_row(
                Text(heading if is_all else f"  {name} users", style if is_all else ""),
                *_cells(figures, has_conversion),
                Text(optional(version.coverage, "{:.1%}".format) if is_all else ""),
            )
    return table


def _cells(figures: Figures, has_conversion: bool) -> list[Text]:
    rates = [figures.ctr, figures.clicked_lists]
    rates += [figures.conversion] if has_conversion and figures.conversion else []
    return [
        Text(count(figures.lists)),
        *map(_rate, [*rates, figures.ndcg]),
        _rate(figures.new_items) if figures.new_items else Text("-"),
    ]


def _rate(rate: Rate) -> Text:
    return Text.assemble(optional(rate.value, "{:.2%}".format), (_ends(rate), "dim"))


def _ends(rate: Rate) -> str:
    """Returns the interval in percent, on a line of its own."""
    if not rate.interval:
        return ""
    lower, upper = rate.interval
    return f"\n{100 * lower:.2f}–{100 * upper:.2f}"


def _positions(version: VersionFigures) -> Table:
    table = headed_table("position", f"CTR of version {version.version}", "from–to")
    for position, rate in enumerate(version.positions, 1):
        share = optional(rate.value, "{:.2%}".format)
        table.add_row(str(position), share, Text(_ends(rate).strip(), "dim"))
    return table
