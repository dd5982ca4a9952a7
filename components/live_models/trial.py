"""A version on trial, the challenger: beside the live version, until it is decided.

It is in a folder of its own within the live folder, where a server of the newest number
does not see it. Going live is a rename, and keeps its number.

Whatever a person does in the meantime wins: a trial is only of the version that was
live when it began, and any rollback ends it.
"""

import contextlib
import dataclasses
import datetime
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components import durable_files
from components.live_models.push import (
    OvertakenError,
    check_not_overtaken,
    publish,
    remove_old,
    with_next_number,
)
from components.live_models.version_ledger import (
    Ledger,
    Transition,
    Trial,
    read_ledger,
    write_ledger,
)
from components.live_models.versions import (
    Version,
    VersionError,
    challengers,
    live_number,
    locked,
    read,
)

TRIAL, LIVE, WITHDRAWN = "trial", "live", "withdrawn"


def settled(live_folder: Path) -> Ledger:
    """Returns the ledger, without a trial that is over.

    That is one whose version is live (the process that moved it may have been killed
    before it wrote so), or is gone, or was against a version that is no longer live.

    Raises:
        VersionError: If the ledger cannot be read.
    """
    ledger = read_ledger(live_folder)
    trial = ledger.trial
    if trial is None:
        return ledger
    if (live_folder / str(trial.version)).is_dir():
        return _ended(ledger, LIVE, "the process ended before it wrote why")
    is_there = (challengers(live_folder) / str(trial.version)).is_dir()
    if is_there and live_number(live_folder) == trial.against:
        return ledger
    return _ended(ledger, WITHDRAWN, "its version or the live one was removed")


def begin(
    model_folder: Path,
    live_folder: Path,
    keep: int,
    instead_of: int,
    settings: Mapping[str, Any],
) -> Version:
    """Puts a SavedModel on trial against the live version.

    Args:
        model_folder: Folder of the SavedModel, whose card has the model and its origin.
        live_folder: Folder of the live versions.
        keep: How many versions to keep when it goes live.
        instead_of: Number of the version that the model was judged against.
        settings: The settings ``delivery`` and ``online``.

    Raises:
        OvertakenError: If another version is live by now, or on trial.
        OSError: If the version cannot be written.
    """
    with locked(live_folder):
        ledger = settled(live_folder)
        if trial := ledger.trial:
            raise OvertakenError(
                f"version {trial.version} is on trial since {trial.started}: wait for "
                "the decision, or end it with `marquee rollback`"
            )
        check_not_overtaken(live_folder, instead_of)
        folder = challengers(live_folder)
        folder.mkdir(exist_ok=True)
        for left in folder.iterdir():  # by a process that was killed
            durable_files.remove(left)
        ledger = with_next_number(ledger)
        step = _step(ledger.last, TRIAL, f"against version {instead_of}")
        ledger = dataclasses.replace(
            ledger,
            trial=Trial(ledger.last, instead_of, step.time, keep, settings),
            transitions=[*ledger.transitions, step],
        )
        # The ledger comes before the folder: without it, no trial is in progress.
        return publish(model_folder, live_folder, ledger, on_trial=True)


def promote(live_folder: Path, number: int, reason: str) -> Version | None:
    """Makes the version on trial live.

    Args:
        live_folder: Folder of the live versions.
        number: Number of the version on trial.
        reason: Why, for the ledger.

    Returns:
        The version; None if it is no longer on trial.
    """
    with locked(live_folder):
        ledger = settled(live_folder)
        if ledger.trial is None or ledger.trial.version != number:
            return None
        folder = live_folder / str(number)
        durable_files.move(challengers(live_folder) / str(number), folder)
        write_ledger(live_folder, _ended(ledger, LIVE, reason))
        remove_old(live_folder, ledger.trial.keep)
        return read(folder)


def withdraw(live_folder: Path, number: int, reason: str) -> bool:
    """Ends a trial without success; no run pushes the model again.

    Args:
        live_folder: Folder of the live versions.
        number: Number of the version on trial.
        reason: Why, for the ledger.

    Returns:
        Whether the version was on trial.
    """
    with locked(live_folder):
        ledger = settled(live_folder)
        if ledger.trial is None or ledger.trial.version != number:
            return False
        write_ledger(live_folder, without_trial(live_folder, reason))
        remove_challenger(live_folder)
        return True


def without_trial(live_folder: Path, reason: str) -> Ledger:
    """Returns the ledger with its trial, if any, withdrawn; the caller holds the lock.

    Args:
        live_folder: Folder of the live versions.
        reason: Why, for the ledger.
    """
    ledger = settled(live_folder)
    if ledger.trial is None:
        return ledger
    left = set(ledger.withdrawn)
    with contextlib.suppress(VersionError):  # a damaged version is removed as well
        left.add(read(challengers(live_folder) / str(ledger.trial.version)).origin)
    return dataclasses.replace(
        _ended(ledger, WITHDRAWN, reason), withdrawn=sorted(left)
    )


def remove_challenger(live_folder: Path) -> None:
    """Removes the version that was on trial; the next trial tries again if it fails."""
    shutil.rmtree(challengers(live_folder), ignore_errors=True)


def _ended(ledger: Ledger, to: str, reason: str) -> Ledger:
    assert ledger.trial
    step = _step(ledger.trial.version, to, reason)
    return dataclasses.replace(
        ledger, trial=None, transitions=[*ledger.transitions, step]
    )


def _step(number: int, to: str, reason: str) -> Transition:
    now = datetime.datetime.now(datetime.UTC)
    return Transition(now.isoformat(timespec="seconds"), number, to, reason)
