"""What a look at ratings found."""

from typing import TYPE_CHECKING

from rich.text import Text

from pipeline.console.figures import optional
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
    known = {name: fact for name, fact in facts.items() if fact is not None}
    console.print(fact_grid(known.items()))
    if bad:
        kinds = ", ".join(
            f"{count:,} {kind.replace('_', ' ')}"
            for kind, count in summary.bad_by_kind.items()
        )
        console.print(Text(f"\n{bad:,} bad rows: {inert(kinds)}", "bold red"))
        console.print(error_text("\n".join(summary.first_problems)), soft_wrap=True)
