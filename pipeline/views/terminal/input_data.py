"""Prints the result of `marquee data`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rich.text import Text

from components.ratings_example_gen import input_errors
from components.wording import counted
from pipeline.views.formatting import inert, optional
from pipeline.views.terminal.reading import describe_late_keys, reading_facts
from pipeline.views.terminal.side_files import describe_file, name_some
from pipeline.views.terminal.tables import fact_grid
from pipeline.views.terminal.terminal import Terminal, error_text

if TYPE_CHECKING:  # Beam takes seconds to import
    from components.ratings_example_gen.inspection import DataSummary
    from pipeline.datasets.databases.snapshot import Snapshot


class SettingsInUse(NamedTuple):
    """What happens to repeated interactions, and to the times of ratings.

    Attributes:
        repeats: The settings of repeated interactions.
        context: What models read of times; None for nothing.
        warnings: What is likely to be unintended.
        proposal: Other settings of repeats, with the evidence for them; None to keep
            these.
    """

    repeats: str
    context: str | None = None
    warnings: Sequence[str] = ()
    proposal: str | None = None

    def facts(self) -> dict[str, str]:
        """Returns the settings by heading."""
        shown = {"Lists": self.repeats, "Context": self.context}
        return {heading: text for heading, text in shown.items() if text}


def print_data(
    console: Terminal,
    summary: "DataSummary",
    one_label: str | None = None,
    proposal: str | None = None,
    snapshots: "Mapping[str, Snapshot] | None" = None,
    in_use: SettingsInUse | None = None,
) -> None:
    """Prints how ratings are read, and what they contain.

    Args:
        console: The terminal.
        summary: The result of reading the ratings.
        one_label: The consequences if every rating has the same label; None if not.
        proposal: Configuration of the types of events; None if there is nothing to
            configure.
        snapshots: What was read from databases: ratings, items or users → the rows.
        in_use: The settings that decide what models learn from.
    """
    bad = sum(summary.bad_by_kind.values())
    read = [
        (f"{role.capitalize()} from", inert(str(rows)))
        for role, rows in (snapshots or {}).items()
    ]
    layout = {
        "Layout": summary.layout,
        "Files": name_some(summary.files),
    }
    if snapshots and "ratings" in snapshots:
        del layout["Files"]
    reading = reading_facts(summary.reading) if summary.reading else ()
    facts = {
        "Rows": f"{summary.read:,} read, {summary.kept:,} kept, {bad:,} bad",
        "Repeats": f"{counted(summary.repeated, 'time')} a user rated an item again; "
        "data.repeats chooses the rating that counts",
        "Counts": f"{counted(summary.users, 'user')}, {counted(summary.items, 'item')}",
        "Sparsity": optional(summary.sparsity, "{:.2%} of all pairs unrated".format),
        "Ratings": (
            f"{np.float32(summary.rating_min)!s} to {np.float32(summary.rating_max)!s}"
            if summary.rating_min is not None and summary.rating_max is not None
            else "none"
        ),
        "Dates": (
            f"{summary.first:%Y-%m-%d %H:%M} to {summary.last:%Y-%m-%d %H:%M} UTC"
            if summary.first
            else "none"
        ),
    }
    if summary.event_types:
        facts["Events"] = ", ".join(
            f"{count:,} {kind!r}" for kind, count in summary.event_types.items()
        )
    if not summary.repeated:
        del facts["Repeats"]
    if in_use:
        facts |= in_use.facts()
    if summary.late_keys:
        facts["Late keys"] = describe_late_keys(summary.late_keys)
    side = _side_facts(summary)
    notes = [("Warning", warning) for warning in in_use.warnings] if in_use else []
    rows = [*read, *layout.items(), *reading, *facts.items(), *notes, *side]
    console.print(fact_grid(rows))
    if one_label:
        console.print(Text.assemble("\n", ("Labels", "bold yellow"), f"  {one_label}"))
    if proposal:
        console.print(Text("\nTo tell these events apart, adjust and add:\n", "bold"))
        console.print(Text(proposal))
    if in_use and in_use.proposal:
        console.print(Text("\nIf users come back to items, adjust and add:\n", "bold"))
        console.print(Text(in_use.proposal))
    if bad:
        kinds = ", ".join(
            f"{count:,} {input_errors.OF_ROWS[kind]}"
            for kind, count in summary.bad_by_kind.items()
        )
        console.print(Text(f"\n{counted(bad, 'bad row')}: {inert(kinds)}", "bold red"))
        console.print(error_text("\n".join(summary.first_problems)), soft_wrap=True)


def _side_facts(summary: "DataSummary") -> Iterator[tuple[str, str]]:
    """Yields the files of items and users, and the files that are not read."""
    for kind, found in (("items", summary.items_file), ("users", summary.users_file)):
        heading = kind.capitalize()
        for line in describe_file(kind, found):
            yield heading, line
            heading = ""
    if summary.unused:
        yield "Not read", name_some(summary.unused)
