"""What a look at ratings found."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline.console.figures import optional
from pipeline.console.terminal import Terminal, error_text, inert

if TYPE_CHECKING:  # Beam takes seconds to import
    from components.ratings_example_gen.inspection import DataSummary


def print_data(console: Terminal, summary: "DataSummary") -> None:
    """Prints what a look at ratings found (``marquee data``)."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    bad = sum(summary.bad_by_kind.values())
    facts = {
        "Layout": summary.layout,
        "Files": ", ".join(map(str, summary.files)),
        "Items": summary.items_file,
        "Users": summary.users_file,
        "Rows": f"{summary.read:,} read, {summary.kept:,} kept, {bad:,} bad",
        "Counts": f"{summary.users:,} users, {summary.items:,} items",
        "Sparsity": optional(summary.sparsity, "{:.2%} of all pairs unrated".format),
        "Ratings": f"{summary.rating_min} to {summary.rating_max}",
        "Dates": (
            f"{summary.first:%Y-%m-%d %H:%M} to {summary.last:%Y-%m-%d %H:%M} UTC"
            if summary.first
            else "none"
        ),
    }
    for name, fact in facts.items():
        if fact is not None:
            grid.add_row(name, Text(inert(fact)))
    console.print(grid)
    if bad:
        kinds = ", ".join(
            f"{count:,} {kind.replace('_', ' ')}"
            for kind, count in summary.bad_by_kind.items()
        )
        console.print(Text(f"\n{bad:,} bad rows: {inert(kinds)}", "bold red"))
        console.print(error_text("\n".join(summary.first_problems)), soft_wrap=True)
