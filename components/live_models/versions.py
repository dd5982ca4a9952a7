"""The folder of live models: its version folders, read and checked by checksum.

Versions are numbered folders, as TensorFlow Serving expects them, and the highest
number is live.
"""

import contextlib
import dataclasses
import fcntl
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from components import content_hash
from components.artifact_place import place_of
from trainer_modules import features as f

_log = logging.getLogger("marquee.progress")  # shown by every command
MANIFEST = "assets.extra/manifest.json"
LOCK = ".lock"
UNREADABLE = (ValueError, KeyError, TypeError, RecursionError)  # JSON of others


class VersionError(RuntimeError):
    """A version is not there, or not as it was pushed."""


class DamagedError(VersionError):
    """A file of a version is not the one that was pushed."""


@dataclasses.dataclass(frozen=True)
class Version:
    """A model that is or was live.

    Attributes:
        number: Of its folder.
        folder: A SavedModel.
        model: Its name in the registry.
        origin: The place of the Model artifact that it is a copy of (``place_of``).
        pushed: When, ISO 8601 in UTC.
        restored: The version that a rollback took it from; None for a pushed one.
    """

    number: int
    folder: Path
    model: str
    origin: str
    pushed: str
    restored: int | None


def versions(live_folder: Path) -> list[Version]:
    """All whole versions, the live one last."""
    return [read(live_folder / str(number)) for number in sorted(numbers(live_folder))]


def readable(live_folder: Path) -> list[Version]:
    """The versions that can be read, the live one last; the others are reported."""
    found = []
    for number in sorted(numbers(live_folder)):
        try:
            found.append(read(live_folder / str(number)))
        except VersionError as error:
            _log.warning("Version %d is left alone: %s.", number, error)
    return found


def live(live_folder: Path) -> Version | None:
    """The one that serves; None before the first push."""
    number = live_number(live_folder)
    return read(live_folder / str(number)) if number else None


def nothing_live(out: Path) -> VersionError:
    """What to raise where a folder of runs has no version yet."""
    return VersionError(f"no model is live in {out}: `marquee run` puts one there")


def live_origin(live_folder: Path) -> str:
    """The live model's origin; "" where none is live, or its card cannot be read."""
    with contextlib.suppress(VersionError):
        version = live(live_folder)
        return version.origin if version else ""
    return ""


def live_number(live_folder: Path) -> int:
    """Of the version that serves; 0 before the first push."""
    return max(numbers(live_folder), default=0)


def problem(folder: Path) -> str | None:
    """How a version differs from what was pushed; None where it does not."""
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
    """Compares a version's files with the checksums that were written when it was made.

    Raises:
        DamagedError: Names the first file that is changed or new.
        VersionError: The checksums cannot be read, or a file is missing.
        OSError: A file cannot be read.
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
    """Of all versions, whole or not, in any order."""
    if not live_folder.is_dir():
        return []
    return [
        int(path.name)
        for path in live_folder.iterdir()
        if path.name.isdecimal() and str(int(path.name)) == path.name and path.is_dir()
    ]


def read(folder: Path) -> Version:
    """Describes a version by its card.

    Raises:
        VersionError: It has none that can be read.
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
            f"{folder / f.CARD_FILE} cannot be read ({error!r}): the folder is none "
            "that `marquee run` pushed; move it away"
        ) from error


@contextlib.contextmanager
def locked(live_folder: Path) -> Iterator[None]:
    """One push at a time; a process that dies lets go of it."""
    with open(live_folder / LOCK, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
