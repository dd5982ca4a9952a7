"""Measured figures: their bounds, their tables, and the page that has them."""

import datetime
import io
import os
import platform
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

GIGABYTE = 1 << 30
DOCS = Path(__file__).parents[1] / "docs" / "benchmarks.md"

console = Console(width=100)


@dataclass(frozen=True)
class Figure:
    """A measured number, and the bounds that it should be within.

    Attributes:
        what: Description of the number.
        value: The number.
        unit: Unit of the value; empty for counts and metrics.
        at_least: Lower bound; None for none.
        at_most: Upper bound; None for none.
    """

    what: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        """The bounds as text; empty without bounds."""
        return " and ".join(
            f"{sign} {bound:g}"
            for sign, bound in (("≥", self.at_least), ("≤", self.at_most))
            if bound is not None
        )

    @property
    def reached(self) -> bool:
        """Whether the value is within its bounds."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


def beside(
    speeds: Mapping[str, Sequence[float]],
    names: Iterable[str],
    other: str,
    at_least: float,
) -> list[Figure]:
    """Compares our speed with that of another implementation.

    Args:
        speeds: ``NAME, ours`` and ``NAME, OTHER`` → rows/s of each round.
        names: Names of what was measured.
        other: Name of the other implementation.
        at_least: Ratio of the medians to reach.

    Returns:
        For each name, the median of both and the ratio of the medians.
    """
    figures = []
    for name in names:
        our_speed = statistics.median(speeds[f"{name}, ours"])
        other_speed = statistics.median(speeds[f"{name}, {other}"])
        figures += [
            Figure(f"{name}, ours", our_speed / 1e3, "thousand rows/s"),
            Figure(f"{name}, {other}", other_speed / 1e3, "thousand rows/s"),
            Figure(
                f"{name}, ratio of the medians",
                our_speed / other_speed,
                "×",
                at_least=at_least,
            ),
        ]
    return figures


def print_figures(figures: list[Figure]) -> None:
    """Prints each figure beside its target."""
    console.print(_table(figures))


def _table(figures: list[Figure]) -> Table:
    table = Table("what", "measured", "target", "reached", box=box.MARKDOWN)
    for figure in figures:
        reached = ("yes" if figure.reached else "no") if figure.target else ""
        number = f"{figure.value:.4f}" if not figure.unit else f"{figure.value:.2f}"
        table.add_row(figure.what, f"{number} {figure.unit}", figure.target, reached)
    return table


def write_docs(
    part: str,
    figures: list[Figure],
    before: dict[str, Any],
    command: str,
    versions: Sequence[str] = (),
) -> None:
    """Replaces a table of figures in docs/benchmarks.md, as ``write_table`` does.

    Args:
        part: Name of the table's place in the page.
        figures: Rows of the table.
        before: ``machine()`` before the measurement.
        command: Command that measures it again.
        versions: Packages that were measured, such as "torch==2.13.0".
    """
    write_table(part, _table(figures), before, command, versions)


def write_table(
    part: str,
    table: Table,
    before: dict[str, Any],
    command: str,
    versions: Sequence[str] = (),
) -> None:
    """Replaces a table in docs/benchmarks.md, with the machine it was measured on.

    Args:
        part: Name of the table's place in the page.
        table: The table.
        before: ``machine()`` before the measurement.
        command: Command that measures it again.
        versions: Packages that were measured, such as "torch==2.13.0".

    Raises:
        click.ClickException: If the page has no place for the table.
    """
    text = io.StringIO()
    Console(file=text, width=100).print(table)
    today = datetime.datetime.now(datetime.UTC).date()
    section = (
        f"`{command}`, {''.join(f'{version}, ' for version in versions)}"
        f"{before['cores']} cores, {before['memory_gb']:.0f} GB, "
        f"{today}, load {before['load_average']:.1f} at the start:\n\n"
        f"{text.getvalue().strip()}\n"
    )
    page = DOCS.read_text()
    start, end = f"<!-- {part} -->\n", f"<!-- end of {part} -->\n"
    place = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not place.search(page):
        raise click.ClickException(f"{DOCS} has no line {start!r} for {part}")
    DOCS.write_text(place.sub(lambda _: start + section + end, page))


def machine() -> dict[str, Any]:
    """Returns the machine's properties, and its load, which includes other work."""
    num_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gb": num_bytes / GIGABYTE,
        "platform": platform.platform(),
        "load_average": os.getloadavg()[0],
    }
