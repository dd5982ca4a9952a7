"""What a look at ratings found."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from pipeline.console.figures import optional
from pipeline.console.side_files import describe_file, name_some
from pipeline.console.tables import fact_grid
from pipeline.console.terminal import Terminal, error_text, inert

if TYPE_CHECKING:  # Beam takes seconds to import
    from components.ratings_example_gen.inspection import DataSummary


def print_data(console: Terminal, summary: "DataSummary") -> None:
    """Prints what a look at ratings found (``marquee data``)."""
    bad = sum(summary.bad_by_kind.values())
    facts = {
        "Layout": summary.layout,
        "Files": ", ".join(map(str, summary.files)),
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
    console.print(fact_grid([*facts.items(), *_side_facts(summary)]))
    if bad:
        kinds = ", ".join(
            f"{count:,} {kind.replace('_', ' ')}"
            for kind, count in summary.bad_by_kind.items()
        )
        console.print(Text(f"\n{bad:,} bad rows: {inert(kinds)}", "bold red"))
        console.print(error_text("\n".join(summary.first_problems)), soft_wrap=True)


def _side_facts(summary: "DataSummary") -> Iterator[tuple[str, str]]:
    """Yields what was found of items and users, and what is not read."""
    for kind, found in (("items", summary.items_file), ("users", summary.users_file)):
        heading = kind.capitalize()
        for line in describe_file(kind, found):
            yield heading, line
            heading = ""
    if summary.unused:
        yield "Not read", name_some(summary.unused)
