"""The ledger of a folder of live models: its lifetime and the withdrawn models."""

import dataclasses
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components import durable_files
from components.live_models.versions import (
    UNREADABLE,
    VersionError,
    live_origin,
    locked,
    numbers,
)

LEDGER = ".ledger.json"


def life(live_folder: Path) -> str:
    """Returns an ID that changes when a person empties or rolls back the folder.

    It is part of Champion's cache key. Pushes do not change it, so a run without news
    comes from the cache. But if a person rolled back, or removed the folder or all its
    versions, an earlier decision of Champion may no longer be right.
    """
    ledger = _reopened(live_folder)
    digest = hashlib.sha256("\n".join(ledger.withdrawn).encode()).hexdigest()[:12]
    return _lifetime(ledger) + (f"-{digest}" if ledger.withdrawn else "")


def lifetime(live_folder: Path) -> str:
    """Returns an ID that changes when the folder, or all versions in it, are removed.

    Unlike ``life``, it does not change after a rollback.
    """
    return _lifetime(_reopened(live_folder))


def _lifetime(ledger: "Ledger") -> str:
    return f"{ledger.folder}-{ledger.emptied}"


def _reopened(live_folder: Path) -> "Ledger":
    """Reads the ledger, and records in it if all versions were removed by hand."""
    live_folder.mkdir(parents=True, exist_ok=True)
    with locked(live_folder):
        ledger = read_ledger(live_folder)
        if not numbers(live_folder):
            ledger = dataclasses.replace(ledger, emptied=ledger.last, withdrawn=())
        write_ledger(live_folder, ledger)
    return ledger


def withdrawn(live_folder: Path) -> frozenset[str]:
    """Returns the origins of the models that a person rolled back.

    The live model is never among them, even if a rollback died before its last step.
    """
    return frozenset(read_ledger(live_folder).withdrawn) - {live_origin(live_folder)}


def forgotten(live_folder: Path) -> frozenset[int]:
    """Returns the numbers of the versions that no server may serve any more."""
    entries = read_ledger(live_folder).forgotten
    return frozenset(
        number for entry in entries if not entry.is_pending for number in entry.versions
    )


@dataclasses.dataclass(frozen=True)
class Forgotten:
    """What ``marquee forget`` did once; IDs are not recorded.

    Attributes:
        time: When, ISO 8601 in UTC.
        users: Number of users.
        items: Number of items.
        versions: Numbers of the versions that had learned from them.
        is_pending: Whether servers may still serve these versions from memory, until a
            model that is being trained replaces them.
    """

    time: str
    users: int
    items: int
    versions: Sequence[int]
    is_pending: bool = False


@dataclasses.dataclass(frozen=True)
class Trial:
    """A version that some users get, or that is only observed, before it goes live.

    Attributes:
        version: Number of the version, the challenger.
        against: Number of the live version, the champion.
        started: When, ISO 8601 in UTC.
        keep: How many versions are kept when it goes live.
        settings: The settings ``delivery`` and ``online`` with which it was pushed.
    """

    version: int
    against: int
    started: str
    keep: int
    settings: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Transition:
    """A step of a trial.

    Attributes:
        time: When, ISO 8601 in UTC.
        version: Number of the version.
        to: ``trial``, ``live`` or ``withdrawn``.
        reason: Why.
    """

    time: str
    version: int
    to: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Ledger:
    """What has to be remembered after versions are removed.

    Attributes:
        folder: ID of the folder; a new one if it is removed and created again.
        last: The highest version number ever used.
        emptied: ``last`` when the folder was last found without versions.
        withdrawn: Origins of the models that were rolled back or forgotten.
        forgotten: What was forgotten, the oldest first.
        trial: The version on trial; None if there is none.
        transitions: Steps of all trials, the oldest first.
    """

    folder: str
    last: int
    emptied: int
    withdrawn: Sequence[str] = ()
    forgotten: Sequence[Forgotten] = ()
    trial: Trial | None = None
    transitions: Sequence[Transition] = ()


def read_ledger(live_folder: Path) -> Ledger:
    """Returns the folder's ledger, or a new one if there is none yet.

    Raises:
        VersionError: If the ledger cannot be read.
    """
    try:
        written = json.loads((live_folder / LEDGER).read_text())
        entries = [Forgotten(**entry) for entry in written.pop("forgotten", ())]
        trial = written.pop("trial", None)
        steps = [Transition(**step) for step in written.pop("transitions", ())]
        ledger = Ledger(
            **written,
            forgotten=entries,
            trial=Trial(**trial) if trial else None,
            transitions=steps,
        )
    except FileNotFoundError:
        ledger = Ledger(uuid.uuid4().hex, 0, 0)
    except UNREADABLE as error:
        raise VersionError(
            f"{live_folder / LEDGER} cannot be read ({error!r}): remove it, and "
            "`marquee run` will write another"
        ) from error
    last = max([ledger.last, *numbers(live_folder)])
    return dataclasses.replace(ledger, last=last)


def write_ledger(live_folder: Path, ledger: Ledger) -> None:
    """Replaces the folder's ledger atomically."""
    durable_files.write(live_folder / LEDGER, json.dumps(dataclasses.asdict(ledger)))
