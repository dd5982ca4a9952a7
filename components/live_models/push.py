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
from typing import Any

from components import content_hash, durable_files
from components.live_models.version_ledger import Ledger, read_ledger, write_ledger
from components.live_models.versions import (
    MANIFEST,
    Version,
    live,
    live_number,
    locked,
    read,
    readable,
)
from trainer_modules import features as f

_log = logging.getLogger("marquee.progress")  # a person sees it in any command


class OvertakenError(RuntimeError):
    """Another version went live since a model was judged."""


def push(
    model_folder: Path, live_folder: Path, keep: int, instead_of: int | None = None
) -> Version:
    """Makes a SavedModel live.

    Args:
        model_folder: With a card that names the model and its origin.
        live_folder: Made where it is missing.
        keep: Versions that stay; see ``_prune``. What cannot be removed is reported,
            and tried again at the next push.
        instead_of: The number of the version that the model was judged against, 0 if
            none was live; None asks for no such thing.

    Raises:
        OvertakenError: Another version is live by now; nothing was pushed.
        OSError: If it cannot be written; what was live stays so.
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

    The one before it is the newest of another origin: what a rollback goes back to,
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


def remove_unfinished(path: Path) -> None:
    """Removes what a killed push left, after waiting for any push that is running.

    Raises:
        OSError: It, or something in it, cannot be removed.
    """
    with locked(path.parent):
        durable_files.remove(path)


def _remove_unfinished(live_folder: Path) -> None:
    """What a push left that was killed; the lock is held, so that none is at work."""
    for path in live_folder.glob(f"{durable_files.UNFINISHED}*"):
        with _reported(f"Cannot remove {path}"):
            durable_files.remove(path)


@contextlib.contextmanager
def _reported(failure: str) -> Iterator[None]:
    """Lets a push or rollback go on when old files cannot be removed."""
    try:
        yield
    except OSError as error:
        _log.warning("%s: %s. The next push tries again.", failure, error)
