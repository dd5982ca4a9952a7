"""The folder of live models: reads its version folders and verifies their checksums.

Versions are numbered folders, as TensorFlow Serving expects them, and the highest
number is live.
"""

import contextlib
import dataclasses
import fcntl
import json
import logging
from collections.abc import Collection, Iterator
from pathlib import Path

from components import content_hash
from components.artifact_place import place_of
from trainer_modules import features as f

_log = logging.getLogger("marquee.progress")  # shown by every command
MANIFEST = "assets.extra/manifest.json"
LOCK = ".lock"
_CHALLENGERS = "challengers"
UNREADABLE = (ValueError, KeyError, TypeError, RecursionError)  # errors of bad JSON


class VersionError(RuntimeError):
    """A version does not exist, or is not as it was pushed."""


class DamagedError(VersionError):
    """A file of a version is not the one that was pushed."""


@dataclasses.dataclass(frozen=True)
class Version:
    """A model that is or was live.

    Attributes:
        number: Number of the version folder.
        folder: Path of the version folder, a SavedModel.
        model: Name of the model in the registry.
        origin: Place of the Model artifact that it is a copy of (``place_of``).
        pushed: Time of the push, ISO 8601 in UTC.
        restored: Number of the version that a rollback restored; None after a push.
    """

    number: int
    folder: Path
    model: str
    origin: str
    pushed: str
    restored: int | None

    @property
    def is_on_trial(self) -> bool:
        """Whether it is not live yet."""
        return self.folder.parent.name == _CHALLENGERS


def versions(live_folder: Path) -> list[Version]:
    """Returns all versions, the live one last.

    Raises:
        VersionError: If one of them cannot be read.
    """
    return [read(live_folder / str(number)) for number in sorted(numbers(live_folder))]


def challengers(live_folder: Path) -> Path:
    """Returns the folder of the version on trial, which is empty without a trial."""
    return live_folder / _CHALLENGERS


def with_challengers(live_folder: Path) -> list[Version]:
    """Returns all versions: one on trial first, then the others, the live one last.

    Raises:
        VersionError: If one of them cannot be read.
    """
    return versions(challengers(live_folder)) + versions(live_folder)


def readable(live_folder: Path) -> list[Version]:
    """Returns the readable versions, the live one last; reports the others."""
    found = []
    for number in sorted(numbers(live_folder)):
        try:
            found.append(read(live_folder / str(number)))
        except VersionError as error:
            _log.warning("Version %d is left alone: %s.", number, error)
    return found


def live(live_folder: Path) -> Version | None:
    """Returns the live version; None before the first push.

    Raises:
        VersionError: If it cannot be read.
    """
    number = live_number(live_folder)
    return read(live_folder / str(number)) if number else None


def nothing_live(out: Path) -> VersionError:
    """Returns the error for a folder of runs that has no version yet."""
    return VersionError(f"No model is live in {out}. Start a run with `marquee run`.")


def live_origin(live_folder: Path) -> str:
    """Returns the live model's origin; "" if nothing is live or it is unreadable."""
    with contextlib.suppress(VersionError):
        version = live(live_folder)
        return version.origin if version else ""
    return ""


def newest_origin_outside(live_folder: Path, candidates: Collection[str]) -> str | None:
    """Returns the origin of the newest version that is none of a run's candidates.

    Args:
        live_folder: Folder of the versions.
        candidates: Places of Model artifacts.

    Returns:
        The origin; None if there is no such version.

    Raises:
        VersionError: If a version cannot be read.
    """
    origins = [version.origin for version in versions(live_folder)]
    return next((o for o in reversed(origins) if o not in candidates), None)


def live_number(live_folder: Path) -> int:
    """Returns the number of the live version; 0 before the first push."""
    return max(numbers(live_folder), default=0)


def problem(folder: Path) -> str | None:
    """Returns how a version differs from what was pushed; None if it does not."""
    try:
        verify(folder)
    except VersionError as error:
        return str(error)
    return None


def version_not_found(
    live_folder: Path, number: int | None, known: list[Version]
) -> VersionError:
    """Returns the error for a version that does not exist, naming those that do."""
    available = ", ".join(str(version.number) for version in known) or "none"
    wanted = "older version" if number is None else f"version {number}"
    to_do = "" if known else ". `marquee run` pushes the first one"
    return VersionError(f"No {wanted} in {live_folder}; available: {available}{to_do}")


def verify(folder: Path) -> None:
    """Compares a version's files with the checksums that its push wrote.

    Raises:
        DamagedError: If a file is changed or new; names the first one.
        VersionError: If the checksums cannot be read, or if a file is missing.
        OSError: If a file cannot be read.
    """
    path = folder / MANIFEST
    try:
        expected: dict[str, str] = dict(json.loads(path.read_text())["sha256"])
    except (OSError, *UNREADABLE) as error:
        raise VersionError(f"{path} cannot be read: {error}") from error
    found = {
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and file != path
    }
    for name in sorted(expected.keys() | found):
        try:
            is_whole = content_hash.of_file(folder / name) == expected.get(name)
        except FileNotFoundError as error:
            raise VersionError(
                f"{folder / name} is missing; roll back, or push again"
            ) from error
        if not is_whole:
            raise DamagedError(
                f"{folder / name} is not as it was pushed; roll back, or push again"
            )


def numbers(live_folder: Path) -> list[int]:
    """Returns the numbers of all version folders, in any order."""
    if not live_folder.is_dir():
        return []
    return [
        int(path.name)
        for path in live_folder.iterdir()
        if path.name.isdecimal() and str(int(path.name)) == path.name and path.is_dir()
    ]


def read(folder: Path) -> Version:
    """Returns a version as its card describes it.

    Raises:
        VersionError: If its card cannot be read.
    """
    try:
        card = json.loads((folder / f.CARD_FILE).read_text())
        return Version(
            int(folder.name),
            folder,
            card["model"],
            place_of(card["origin"]),
            card["pushed"],
            card["restored"],
        )
    except (OSError, *UNREADABLE) as error:
        raise VersionError(
            f"{folder / f.CARD_FILE} cannot be read ({error!r}): the folder was not "
            "created by `marquee run`; move it away"
        ) from error


@contextlib.contextmanager
def locked(live_folder: Path) -> Iterator[None]:
    """Allows one push at a time; a process that dies releases the lock."""
    with open(live_folder / LOCK, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
