"""Prints the result of `marquee batch`."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from components.wording import counted
from pipeline.views.formatting import duration, inert, thousands
from pipeline.views.terminal.terminal import Terminal

if TYPE_CHECKING:  # TensorFlow and Beam take seconds to import
    from pipeline.recommend.all_users import Written


def print_written(console: Terminal, written: "Written", path: Path) -> None:
    """Prints rows, users, model and file, with the path as it was given."""
    console.print(
        Text(
            f"{inert(path)}: {counted(written.rows, 'row')} for "
            f"{counted(written.users, 'user')}, "
            f"{thousands(written.bytes)}B, by {inert(written.model)} of version "
            f"{written.version}, in {duration(written.seconds)}"
        )
    )
