"""Rolls back: makes an older version live again."""

import dataclasses
from pathlib import Path

from components.live_models.push import publish, with_next_number
from components.live_models.trial import remove_challenger, without_trial
from components.live_models.version_ledger import Ledger
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
    """Makes an older version live again, by copying it to a new version number.

    It waits for a push that is running, and chooses among the versions after it: that
    push's model is then the one to leave, and the oldest versions may be gone.

    The model that was live is withdrawn: no run pushes it again until a rollback to it
    reverses that. A trial ends, and its version is withdrawn as well.

    Args:
        live_folder: Folder of the live versions.
        number: Number of the version; None for the newest one with another model than
            the live version.

    Raises:
        VersionError: If there is no such version, or if its files were changed.
    """
    if not live_folder.is_dir():
        raise version_not_found(live_folder, number, [])
    with locked(live_folder):
        chosen = _choose(live_folder, number)
        verify(chosen.folder)
        ledger = with_next_number(_without(chosen, live_folder))
        version = publish(chosen.folder, live_folder, ledger, chosen.number)
        remove_challenger(live_folder)
        return version


def _without(chosen: Version, live_folder: Path) -> Ledger:
    """Returns the ledger after a rollback: the model that was live is withdrawn."""
    ledger = without_trial(live_folder, "a person rolled back")
    current = live_origin(live_folder)
    left = set(ledger.withdrawn)
    if chosen.origin in left:  # this reverses an earlier rollback
        left.remove(chosen.origin)
    elif current not in ("", chosen.origin):
        left.add(current)
    return dataclasses.replace(ledger, withdrawn=sorted(left))


def _choose(live_folder: Path, number: int | None) -> Version:
    """Returns the version that a rollback goes back to."""
    if number in numbers(live_folder):
        return read(live_folder / str(number))
    current, known = live(live_folder), readable(live_folder)
    older = [v for v in known if current and v.origin != current.origin]
    if number is not None or not older:
        raise version_not_found(live_folder, number, known)
    return older[-1]
