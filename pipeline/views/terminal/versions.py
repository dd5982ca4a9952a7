"""Prints the versions of the live model."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from components.live_models.versions import Version, problem
from pipeline.views.formatting import inert
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal


def print_versions(console: Terminal, versions: Sequence[Version], out: Path) -> None:
    """Prints the versions, the newest first, and whether their files are intact."""
    if not versions:
        console.print(f"No model has been live in {inert(out)} yet.")
        return
    table = headed_table("version", "model", "live since", "files")
    for version in reversed(versions):
        is_live = version is versions[-1]
        restored = f", from version {version.restored}" if version.restored else ""
        if version.is_on_trial:
            restored = ", on trial"
        table.add_row(
            Text(str(version.number)),
            Text(f"{inert(version.model)}{restored}", "bold green" if is_live else ""),
            Text(version.pushed),
            _files(version.folder),
        )
    console.print(table)
    console.print("\n`marquee rollback [VERSION]` makes an older version live again.")


def _files(folder: Path) -> Text:
    """Returns whether a version's files are as they were pushed."""
    if message := problem(folder):
        return Text(f"not as pushed: {inert(message)}", "bold red", overflow="fold")
    return Text("as pushed")
