"""Makes an older version live again."""

import dataclasses
from pathlib import Path

from components.live_models.push import publish
from components.live_models.version_ledger import Ledger, read_ledger
from components.live_models.versions import (
    Version,
    live,
    live_origin,
    locked,
    numbers,
    read,
    readable,
    verify,
    version_not_found,
)


def roll_back(live_folder: Path, number: int | None) -> Version:
    """Makes an older version live again, as a new one with its files; removes none.

    A push that goes on meanwhile is waited for, and what it left is chosen from: its
    model is the one to go back from, and it may have removed the oldest versions.

    The model that was live is withdrawn: no run pushes it again, until a rollback to it
    reverses that.

    Args:
        live_folder: Of the versions.
        number: Of the version; None takes the newest whose model is another than the
            live one's.

    Raises:
        VersionError: If there is no such version, or its files are not those pushed.
    """
    if not live_folder.is_dir():
        raise version_not_found(live_folder, number, [])
    with locked(live_folder):
        chosen = _choose(live_folder, number)
        verify(chosen.folder)
        ledger = _without(chosen, live_folder)
        return publish(chosen.folder, live_folder, None, chosen.number, ledger)


def _without(chosen: Version, live_folder: Path) -> "Ledger":
    """The ledger after a rollback to a version, which withdraws what was live."""
    ledger, current = read_ledger(live_folder), live_origin(live_folder)
    left = set(ledger.withdrawn)
    if chosen.origin in left:  # it takes an earlier rollback back
        left.remove(chosen.origin)
    elif current not in ("", chosen.origin):
        left.add(current)
    return dataclasses.replace(ledger, withdrawn=sorted(left))


def _choose(live_folder: Path, number: int | None) -> Version:
    """The version that a rollback goes to."""
    if number in numbers(live_folder):
        return read(live_folder / str(number))
    current, known = live(live_folder), readable(live_folder)
    older = [v for v in known if current and v.origin != current.origin]
    if number is not None or not older:
        raise version_not_found(live_folder, number, known)
    return older[-1]
