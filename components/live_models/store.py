"""The folder of live models: one numbered folder a version, the highest is live.

That is what TensorFlow Serving watches. A version appears under its number by one
rename, when all of its files and their checksums are on disk; until then it has a name
that starts with a dot, which nobody reads. A number is never used twice, nor when its
version was removed by hand.
"""

import contextlib
import dataclasses
import datetime
import fcntl
import json
import logging
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components import content_hash, durable_files
from components.artifact_place import place_of
from components.live_models.version_ledger import Ledger, read_ledger, write_ledger
from trainer_modules import features as f

MANIFEST = "assets.extra/manifest.json"
LOCK = ".lock"
UNREADABLE = (ValueError, KeyError, TypeError, RecursionError)  # JSON of others

_log = logging.getLogger("marquee.progress")  # a person sees it in any command


class VersionError(RuntimeError):
    """A version is not there, or not as it was pushed."""


class DamagedError(VersionError):
    """A file of a version is not the one that was pushed."""


class OvertakenError(RuntimeError):
    """Another version went live since a model was judged."""


@dataclasses.dataclass(frozen=True)
class Version:
    """A model that is or was live.

    Attributes:
      number: of its folder.
      folder: a SavedModel.
      model: its name in the registry.
      origin: the place of the Model artifact that it is a copy of (``place_of``).
      pushed: when, ISO 8601 in UTC.
      restored: the version that a roll_back took it from; None for a pushed one.
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


def live_number(live_folder: Path) -> int:
    """Of the version that serves; 0 before the first push."""
    return max(numbers(live_folder), default=0)


def push(
    model_folder: Path, live_folder: Path, keep: int, instead_of: int | None = None
) -> Version:
    """Makes a SavedModel live.

    Args:
      model_folder: with a card that names the model and its origin.
      live_folder: made where it is missing.
      keep: versions that stay; see ``_prune``. What cannot be removed is reported, and
        tried again at the next push.
      instead_of: the number of the version that the model was judged against, 0 if none
        was live; None asks for no such thing.

    Raises:
      OvertakenError: another version is live by now; nothing was pushed.
      OSError: if it cannot be written; what was live stays so.
    """
    live_folder.mkdir(parents=True, exist_ok=True)
    with locked(live_folder):
        now = live_number(live_folder)
        if instead_of not in (None, now):
            raise OvertakenError(
                f"version {now} is live by now, and it was judged against "
                f"{f'version {instead_of}' if instead_of else 'none'}"
            )
        live(live_folder)  # a folder that nobody pushed must not be the newest
        return publish(model_folder, live_folder, keep, restored=None)


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
      DamagedError: names the first file that is changed or new.
      VersionError: the checksums cannot be read, or a file is missing.
      OSError: a file cannot be read.
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


def publish(
    model_folder: Path,
    live_folder: Path,
    keep: int | None,
    restored: int | None,
    ledger: "Ledger | None" = None,
) -> Version:
    """Copies a model to the next number, while the lock is held."""
    _remove_unfinished(live_folder)
    ledger = ledger or read_ledger(live_folder)
    number = ledger.last + 1
    folder = live_folder / str(number)
    unfinished = durable_files.unfinished_beside(folder)
    pushed = datetime.datetime.now(datetime.UTC)
    try:
        _copy(
            model_folder,
            unfinished,
            {"pushed": pushed.isoformat(timespec="seconds"), "restored": restored},
        )
        # Before the rename: a push that dies between them only leaves a number out.
        write_ledger(live_folder, dataclasses.replace(ledger, last=number))
        durable_files.move(unfinished, folder)
    except BaseException:  # stopped, or the disk is full
        with _reported(f"Cannot remove {unfinished}"):
            durable_files.remove(unfinished)
        raise
    if keep is not None:
        _prune(live_folder, keep)
    return read(folder)


def _copy(source: Path, target: Path, more: dict[str, Any]) -> None:
    """Copies files with their checksums, and waits until they are on disk."""
    checksums = {}
    shutil.copytree(source, target)
    card = target / f.CARD_FILE
    card.write_text(json.dumps(json.loads(card.read_text()) | more, indent=1))
    (target / MANIFEST).unlink(missing_ok=True)
    for file in sorted(target.rglob("*")):
        if file.is_file():
            checksums[str(file.relative_to(target))] = content_hash.of_file(file)
    (target / MANIFEST).write_text(json.dumps({"sha256": checksums}, indent=1))
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode & ~stat.S_IWOTH)  # whatever the model's had
        durable_files.sync(path)


def _prune(live_folder: Path, keep: int) -> None:
    """Removes the oldest beyond ``keep``, never the live model nor the one before it.

    The one before it is the newest of another origin: what a roll_back goes back to,
    however often the same model was pushed since. A version that cannot be read stays.
    """
    known = readable(live_folder)
    last_good = [v.number for v in known if v.origin != known[-1].origin][-1:]
    kept = {v.number for v in known[-max(keep, 1) :]} | set(last_good)
    for version in known:
        if version.number not in kept:
            # Out of sight at once: a reader never sees half of it.
            gone = durable_files.unfinished_beside(version.folder)
            with _reported(f"Cannot remove version {version.number}"):
                version.folder.rename(gone)
                durable_files.remove(gone)


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
      VersionError: it has none that can be read.
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


def remove_unfinished(path: Path) -> None:
    """Removes what a killed push left, after waiting for any push that is running.

    Raises:
      OSError: It, or something in it, cannot be removed.
    """
    with locked(path.parent):
        durable_files.remove(path)


@contextlib.contextmanager
def locked(live_folder: Path) -> Iterator[None]:
    """One push at a time; a process that dies lets go of it."""
    with open(live_folder / LOCK, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_unfinished(live_folder: Path) -> None:
    """What a push left that was killed; the lock is held, so that none is at work."""
    for path in live_folder.glob(f"{durable_files.UNFINISHED}*"):
        with _reported(f"Cannot remove {path}"):
            durable_files.remove(path)


@contextlib.contextmanager
def _reported(failure: str) -> Iterator[None]:
    """Lets a push or roll_back go on when old files cannot be removed."""
    try:
        yield
    except OSError as error:
        _log.warning("%s: %s. The next push tries again.", failure, error)
