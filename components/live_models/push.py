"""Pushes a model: copies it to the next version number and prunes old versions."""

import contextlib
import dataclasses
import datetime
import json
import logging
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from components import content_hash, durable_files
from components.live_models.version_ledger import Ledger, read_ledger, write_ledger
from components.live_models.versions import (
    MANIFEST,
    Version,
    challengers,
    live,
    live_number,
    locked,
    read,
    readable,
)
from trainer_modules import features as f

_log = logging.getLogger("marquee.progress")  # shown by every command


class OvertakenError(RuntimeError):
    """Another version went live after a model was judged."""


def push(
    model_folder: Path, live_folder: Path, keep: int, instead_of: int | None = None
) -> Version:
    """Makes a SavedModel live.

    Args:
        model_folder: Folder of the SavedModel, whose card has the model and its origin.
        live_folder: Folder of the live versions; created if it is missing.
        keep: How many versions to keep; see ``remove_old``. Versions that cannot be
            removed are reported, and tried again at the next push.
        instead_of: Number of the version that the model was judged against, 0 if none
            was live; None to push regardless.

    Raises:
        OvertakenError: If another version is live by now; nothing was pushed.
        OSError: If the version cannot be written; the live version stays live.
    """
    live_folder.mkdir(parents=True, exist_ok=True)
    with locked(live_folder):
        if instead_of is not None:
            check_not_overtaken(live_folder, instead_of)
        live(live_folder)  # raises if a folder that was not pushed is the newest
        ledger = with_next_number(read_ledger(live_folder))
        version = publish(model_folder, live_folder, ledger)
        remove_old(live_folder, keep)
        return version


def check_not_overtaken(live_folder: Path, instead_of: int) -> None:
    """Checks that a model was judged against the version that is live.

    Args:
        live_folder: Folder of the live versions.
        instead_of: Number of the version that it was judged against; 0 for none.

    Raises:
        OvertakenError: If another version is live by now.
    """
    now = live_number(live_folder)
    if instead_of != now:
        raise OvertakenError(
            f"version {now} is live by now, but this model was judged against "
            f"{f'version {instead_of}' if instead_of else 'none'}"
        )


def with_next_number(ledger: Ledger) -> Ledger:
    """Returns a ledger whose last version is a new one."""
    return dataclasses.replace(ledger, last=ledger.last + 1)


def publish(
    model_folder: Path,
    live_folder: Path,
    ledger: Ledger,
    restored: int | None = None,
    *,
    on_trial: bool = False,
) -> Version:
    """Copies a model to a new version; the caller holds the lock.

    Args:
        model_folder: Folder of the SavedModel.
        live_folder: Folder of the live versions.
        ledger: The ledger to write, whose last version is the new one.
        restored: Number of the version that a rollback restores; None for a push.
        on_trial: Whether the version is not live yet.
    """
    _remove_unfinished(live_folder)
    place = challengers(live_folder) if on_trial else live_folder
    folder = place / str(ledger.last)
    unfinished = durable_files.unfinished_beside(live_folder / folder.name)
    pushed = datetime.datetime.now(datetime.UTC)
    try:
        _copy(
            model_folder,
            unfinished,
            {"pushed": pushed.isoformat(timespec="seconds"), "restored": restored},
        )
        # Before the rename: a push that dies in between only skips a number.
        write_ledger(live_folder, ledger)
        durable_files.move(unfinished, folder)
    except BaseException:  # stopped by a signal, or the disk is full
        with _reported(f"Cannot remove {unfinished}"):
            durable_files.remove(unfinished)
        raise
    return read(folder)


def _copy(source: Path, target: Path, more: dict[str, str | int | None]) -> None:
    """Copies a model, writes its checksums, and waits until all is on disk."""
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
        path.chmod(path.stat().st_mode & ~stat.S_IWOTH)  # whatever the model's mode was
        durable_files.sync(path)


def remove_old(live_folder: Path, keep: int) -> None:
    """Removes the oldest versions, but never the live model or the one before it.

    The one before it is the newest version of another origin: a rollback goes back to
    it, however often the same model was pushed since. Unreadable versions are kept.
    """
    known = readable(live_folder)
    last_good = [v.number for v in known if v.origin != known[-1].origin][-1:]
    kept = {v.number for v in known[-max(keep, 1) :]} | set(last_good)
    for version in known:
        if version.number not in kept:
            with _reported(f"Cannot remove version {version.number}"):
                durable_files.remove_at_once(version.folder)


def remove_unfinished(path: Path) -> None:
    """Removes what a killed push left, after waiting for any push that is running.

    Raises:
        OSError: If something of it cannot be removed.
    """
    with locked(path.parent):
        durable_files.remove(path)


def _remove_unfinished(live_folder: Path) -> None:
    """Removes what killed pushes left; the caller holds the lock."""
    for path in live_folder.glob(f"{durable_files.UNFINISHED}*"):
        with _reported(f"Cannot remove {path}"):
            durable_files.remove(path)


@contextlib.contextmanager
def _reported(failure: str) -> Iterator[None]:
    """Logs an error about old files instead of failing the push or rollback."""
    try:
        yield
    except OSError as error:
        _log.warning("%s: %s. The next push tries again.", failure, error)
