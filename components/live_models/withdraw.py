"""Withdraws versions that learned from what a person wants forgotten."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from components import durable_files
from components.live_models.version_ledger import (
    Forgotten,
    read_ledger,
    write_ledger,
)
from components.live_models.versions import Version, locked


def withdraw(live_folder: Path, entry: Forgotten, leaving: Sequence[Version]) -> None:
    """Removes versions for good, and records it.

    The ledger is written first: if the process is killed before the folders are gone, a
    repetition finds them again, and no run pushes the models meanwhile.

    Args:
        live_folder: Folder of the versions.
        entry: What is forgotten, for the ledger.
        leaving: The versions.
    """
    live_folder.mkdir(parents=True, exist_ok=True)
    with locked(live_folder):
        ledger = read_ledger(live_folder)
        origins = {version.origin for version in leaving}
        write_ledger(
            live_folder,
            dataclasses.replace(
                ledger,
                withdrawn=sorted({*ledger.withdrawn, *origins}),
                forgotten=[*ledger.forgotten, entry],
            ),
        )
        for version in leaving:
            durable_files.remove_at_once(version.folder)


def end_serving(live_folder: Path) -> None:
    """Makes servers stop serving every withdrawn version that they still have."""
    if not live_folder.is_dir():
        return
    with locked(live_folder):
        ledger = read_ledger(live_folder)
        entries = [
            dataclasses.replace(entry, is_pending=False) for entry in ledger.forgotten
        ]
        if entries != list(ledger.forgotten):
            write_ledger(live_folder, dataclasses.replace(ledger, forgotten=entries))
