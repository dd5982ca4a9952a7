"""Prints what holds the IDs that are to be forgotten."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.text import Text

from components.wording import counted
from pipeline.views.formatting import inert
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal

if TYPE_CHECKING:
    from pipeline.forgetting.plan import Plan


def as_record(plan: "Plan") -> dict[str, Any]:
    """Returns a plan as JSON."""
    return {
        "data": [
            {"path": file.path, "rows": file.rows, "problem": file.problem or None}
            for file in plan.sources
        ],
        "unsearched": list(plan.unsearched),
        "versions": [
            {
                "number": leaving.version.number,
                "model": leaving.version.model,
                "is_live": leaving.is_live,
                "is_certain": leaving.is_certain,
            }
            for leaving in plan.learned.versions
        ],
        "artifacts": plan.folders,
        "received_events": plan.kept.events,
        "logged_lists": plan.kept.lists,
        "damaged_lists": list(plan.kept.damaged),
        "records": [record.path for record in plan.records],
        "leftovers": [leftover.path for leftover in plan.leftovers],
    }


def print_plan(console: Terminal, plan: "Plan", is_applied: bool) -> None:
    """Prints every place, and what happens to it or has happened."""
    for folder in plan.unsearched:
        console.print(
            f"{inert(folder)} is not complete and was not searched: repeat the command "
            "when it is."
        )
    if plan.is_empty:
        console.print(
            "Nothing to do: it is in no data that the runs have read, no artifact and "
            "no record. (Leftovers of killed runs are not searched: `marquee clean`.)"
        )
        return
    table = headed_table("where", "what", "removed" if is_applied else "to be removed")
    for row in _rows(plan):
        table.add_row(*(Text(inert(cell)) for cell in row))
    console.print(table)
    if any(leaving.is_live for leaving in plan.learned.versions):
        console.print(
            "\nThe live version is withdrawn. Servers then turn to the newest one that "
            "is left, if there is any; with --retrain, they wait for another one."
        )
    if not is_applied:
        console.print("\nNothing was changed; the same command with --apply does it.")


def _rows(plan: "Plan") -> Iterator[tuple[object, str, str]]:
    for file in plan.sources:
        how = "the rows" if file.is_span else "the rows, with --rewrite-data"
        yield file.path, counted(file.rows, "row"), file.problem or how
    for leaving in plan.learned.versions:
        version = leaving.version
        what = version.model + (", live" if leaving.is_live else "")
        if not leaving.is_certain:
            what += "; its data is gone, so it may have learned from it"
        yield f"version {version.number}", what, "the version"
    if plan.folders:
        root = plan.folders[0].parents[2]
        steps = {folder.parents[1].name for folder in plan.folders}
        what = (
            f"{counted(len(plan.folders), 'artifact')} of {counted(len(steps), 'step')}"
        )
        yield root, what, "the artifacts; the steps run anew"
    if plan.kept.events:
        yield "received by servers", counted(plan.kept.events, "event"), "the events"
    if plan.kept.lists:
        yield "logged by servers", counted(plan.kept.lists, "list"), "the lists"
    for path in plan.kept.damaged:
        yield path, "lists that cannot be read", "the file"
    for record in plan.records:
        yield record.path, "mentions it", "the file" if record.is_removed else "the ID"
    if plan.leftovers:
        what = counted(len(plan.leftovers), "path")
        yield "left by killed runs", what, "all of them, unsearched"
