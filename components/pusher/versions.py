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
import hashlib
import json
import logging
import shutil
import stat
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from components import content_hash, durable
from components.artifact_place import place_of
from trainer_modules import features as f

MANIFEST = "assets.extra/manifest.json"
LOCK = ".lock"
LEDGER = ".ledger.json"
_UNREADABLE = (ValueError, KeyError, TypeError, RecursionError)  # JSON of others

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
      restored: the version that a rollback took it from; None for a pushed one.
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


def _readable(live_folder: Path) -> list[Version]:
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


def _lifetime(ledger: "_Ledger") -> str:
    return f"{ledger.folder}-{ledger.emptied}"


def _reopened(live_folder: Path) -> "_Ledger":
    """Reads the ledger, and notes in it where all versions were removed by hand."""
    live_folder.mkdir(parents=True, exist_ok=True)
    with _locked(live_folder):
        told = _ledger(live_folder)
        if not numbers(live_folder):
            told = dataclasses.replace(told, emptied=told.last, withdrawn=())
        _write_ledger(live_folder, told)
    return told


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
    with _locked(live_folder):
        now = live_number(live_folder)
        if instead_of not in (None, now):
            raise OvertakenError(
                f"version {now} is live by now, and it was judged against "
                f"{f'version {instead_of}' if instead_of else 'none'}"
            )
        live(live_folder)  # a folder that nobody pushed must not be the newest
        return _publish(model_folder, live_folder, keep, restored=None)


def rollback(live_folder: Path, number: int | None) -> Version:
    """Makes an older version live again, as a new one with its files; removes none.

    A push that goes on meanwhile is waited for, and what it left is chosen from: its
    model is the one to go back from, and it may have removed the oldest versions.

    The model that was live is withdrawn: no run pushes it again, until a rollback to it
    takes that back.

    Args:
      live_folder: of the versions.
      number: of the version; None takes the newest whose model is another than the
        live one's.

    Raises:
      VersionError: if there is no such version, or its files are not those pushed.
    """
    if not live_folder.is_dir():
        raise _not_there(live_folder, number, [])
    with _locked(live_folder):
        chosen = _choose(live_folder, number)
        verify(chosen.folder)
        ledger = _without(chosen, live_folder)
        return _publish(chosen.folder, live_folder, None, chosen.number, ledger)


def withdrawn(live_folder: Path) -> frozenset[str]:
    """Returns the origins of the models that a person rolled back from.

    The live model is none of them, also where a rollback died before its last step.
    """
    return frozenset(_ledger(live_folder).withdrawn) - {_live_origin(live_folder)}


def _live_origin(live_folder: Path) -> str:
    """The live model's origin; "" where none is live, or its card cannot be read."""
    with contextlib.suppress(VersionError):
        version = live(live_folder)
        return version.origin if version else ""
    return ""


def _without(chosen: Version, live_folder: Path) -> "_Ledger":
    """The ledger after a rollback to a version, which withdraws what was live."""
    ledger, current = _ledger(live_folder), _live_origin(live_folder)
    left = set(ledger.withdrawn)
    if chosen.origin in left:  # it takes an earlier rollback back
        left.remove(chosen.origin)
    elif current not in ("", chosen.origin):
        left.add(current)
    return dataclasses.replace(ledger, withdrawn=sorted(left))


def problem(folder: Path) -> str | None:
    """How a version differs from what was pushed; None where it does not."""
    try:
        verify(folder)
    except VersionError as error:
        return str(error)
    return None


def _choose(live_folder: Path, number: int | None) -> Version:
    """The version that a rollback goes to."""
    if number in numbers(live_folder):
        return read(live_folder / str(number))
    current, known = live(live_folder), _readable(live_folder)
    older = [v for v in known if current and v.origin != current.origin]
    if number is not None or not older:
        raise _not_there(live_folder, number, known)
    return older[-1]


def _not_there(
    live_folder: Path, number: int | None, known: list[Version]
) -> VersionError:
    told = ", ".join(str(v.number) for v in known) or "none"
    wanted = "an older one" if number is None else f"version {number}"
    to_do = "" if known else ": `marquee run` puts a model there"
    return VersionError(f"{live_folder} has not {wanted}; it has {told}{to_do}")


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
    except (OSError, *_UNREADABLE) as error:
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


def _publish(
    model_folder: Path,
    live_folder: Path,
    keep: int | None,
    restored: int | None,
    ledger: "_Ledger | None" = None,
) -> Version:
    """Copies a model to the next number, while the lock is held."""
    _remove_unfinished(live_folder)
    ledger = ledger or _ledger(live_folder)
    number = ledger.last + 1
    folder = live_folder / str(number)
    unfinished = durable.unfinished_beside(folder)
    pushed = datetime.datetime.now(datetime.UTC)
    try:
        _copy(
            model_folder,
            unfinished,
            {"pushed": pushed.isoformat(timespec="seconds"), "restored": restored},
        )
        # Before the rename: a push that dies between them only leaves a number out.
        _write_ledger(live_folder, dataclasses.replace(ledger, last=number))
        durable.move(unfinished, folder)
    except BaseException:  # stopped, or the disk is full
        with _reported(f"Cannot remove {unfinished}"):
            durable.remove(unfinished)
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
        durable.sync(path)


def _prune(live_folder: Path, keep: int) -> None:
    """Removes the oldest beyond ``keep``, never the live model nor the one before it.

    The one before it is the newest of another origin: what a rollback goes back to,
    however often the same model was pushed since. A version that cannot be read stays.
    """
    known = _readable(live_folder)
    last_good = [v.number for v in known if v.origin != known[-1].origin][-1:]
    kept = {v.number for v in known[-max(keep, 1) :]} | set(last_good)
    for version in known:
        if version.number not in kept:
            # Out of sight at once: a reader never sees half of it.
            gone = durable.unfinished_beside(version.folder)
            with _reported(f"Cannot remove version {version.number}"):
                version.folder.rename(gone)
                durable.remove(gone)


@dataclasses.dataclass(frozen=True)
class _Ledger:
    """What the versions themselves cannot tell once they are gone.

    Attributes:
      folder: another one where the folder was removed and made again.
      last: the highest number that was ever used.
      emptied: ``last`` when the folder was last found without a version.
      withdrawn: Origins of the models that a rollback left.
    """

    folder: str
    last: int
    emptied: int
    withdrawn: Sequence[str] = ()


def _ledger(live_folder: Path) -> _Ledger:
    try:
        told = _Ledger(**json.loads((live_folder / LEDGER).read_text()))
    except FileNotFoundError:
        told = _Ledger(uuid.uuid4().hex, 0, 0)
    except _UNREADABLE as error:
        raise VersionError(
            f"{live_folder / LEDGER} cannot be read ({error!r}): remove it, and "
            "`marquee run` will write another"
        ) from error
    last = max([told.last, *numbers(live_folder)])
    return dataclasses.replace(told, last=last)


def _write_ledger(live_folder: Path, ledger: _Ledger) -> None:
    durable.write(live_folder / LEDGER, json.dumps(dataclasses.asdict(ledger)))


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
    except (OSError, *_UNREADABLE) as error:
        raise VersionError(
            f"{folder / f.CARD_FILE} cannot be read ({error!r}): the folder is none "
            "that `marquee run` pushed; move it away"
        ) from error


def remove_unfinished(path: Path) -> None:
    """Removes what a killed push left, after waiting for any push that is running.

    Raises:
      OSError: It, or something in it, cannot be removed.
    """
    with _locked(path.parent):
        durable.remove(path)


@contextlib.contextmanager
def _locked(live_folder: Path) -> Iterator[None]:
    """One push at a time; a process that dies lets go of it."""
    with open(live_folder / LOCK, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_unfinished(live_folder: Path) -> None:
    """What a push left that was killed; the lock is held, so that none is at work."""
    for path in live_folder.glob(f"{durable.UNFINISHED}*"):
        with _reported(f"Cannot remove {path}"):
            durable.remove(path)


@contextlib.contextmanager
def _reported(failure: str) -> Iterator[None]:
    """Lets a push or rollback go on when old files cannot be removed."""
    try:
        yield
    except OSError as error:
        _log.warning("%s: %s. The next push tries again.", failure, error)
