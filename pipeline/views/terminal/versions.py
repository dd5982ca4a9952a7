"""The models that are and were live."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from components.live_models.versions import Version, problem
from pipeline.views.formatting import inert
from pipeline.views.terminal.tables import headed_table
from pipeline.views.terminal.terminal import Terminal


def print_versions(console: Terminal, versions: Sequence[Version], out: Path) -> None:
    """The newest first; the files of each are compared with their checksums."""
    if not versions:
        console.print(f"No model was ever live in {inert(str(out))}.")
        return
    table = headed_table("version", "model", "live since", "files")
    for version in reversed(versions):
        is_live = version is versions[-1]
        restored = f", of version {version.restored}" if version.restored else ""
        table.add_row(
            Text(str(version.number)),
            Text(f"{inert(version.model)}{restored}", "bold green" if is_live else ""),
            Text(version.pushed),
            _files(version.folder),
        )
    console.print(table)
    console.print("\nmarquee rollback [VERSION] makes an older one live again.")


def _files(folder: Path) -> Text:
    """Whether a version is as it was pushed."""
    if told := problem(folder):
        return Text(f"not as pushed: {inert(told)}", "bold red", overflow="fold")
    return Text("as pushed")
