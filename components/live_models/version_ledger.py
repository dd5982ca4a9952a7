"""The ledger of a folder of live models: its lifetime and the withdrawn models."""

import dataclasses
import hashlib
import json
import uuid
from collections.abc import Sequence
from pathlib import Path

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
    """Names the folder's present life, from one emptying by hand to the next.

    Part of Champion's cache key. Pushes do not change it, so that a run with nothing
    new comes from the cache; but where a person rolled back, or removed the folder or
    all versions in it, what Champion once decided may no longer be right.
    """
    told = _reopened(live_folder)
    digest = hashlib.sha256("\n".join(told.withdrawn).encode()).hexdigest()[:12]
    return _lifetime(told) + (f"-{digest}" if told.withdrawn else "")


def lifetime(live_folder: Path) -> str:
    """Returns an ID that changes when the folder, or all versions in it, are removed.

    Other than ``life``, it stays the same after a rollback.
    """
    return _lifetime(_reopened(live_folder))


def _lifetime(ledger: "Ledger") -> str:
    return f"{ledger.folder}-{ledger.emptied}"


def _reopened(live_folder: Path) -> "Ledger":
    """Reads the ledger, and notes in it where all versions were removed by hand."""
    live_folder.mkdir(parents=True, exist_ok=True)
    with locked(live_folder):
        told = read_ledger(live_folder)
        if not numbers(live_folder):
            told = dataclasses.replace(told, emptied=told.last, withdrawn=())
        write_ledger(live_folder, told)
    return told


def withdrawn(live_folder: Path) -> frozenset[str]:
    """Returns the origins of the models that a person rolled back from.

    The live model is none of them, also where a rollback died before its last step.
    """
    return frozenset(read_ledger(live_folder).withdrawn) - {live_origin(live_folder)}


@dataclasses.dataclass(frozen=True)
class Ledger:
    """What the versions themselves cannot tell once they are gone.

    Attributes:
        folder: Another one where the folder was removed and made again.
        last: The highest number that was ever used.
        emptied: ``last`` when the folder was last found without a version.
        withdrawn: Origins of the models that a rollback left.
    """

    folder: str
    last: int
    emptied: int
    withdrawn: Sequence[str] = ()


def read_ledger(live_folder: Path) -> Ledger:
    """Returns the folder's ledger, or a new one where there is none yet.

    Raises:
        VersionError: The ledger cannot be read.
    """
    try:
        ledger = Ledger(**json.loads((live_folder / LEDGER).read_text()))
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
