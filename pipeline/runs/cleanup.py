"""Finds and removes what killed runs left behind, and the files of old runs."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components import durable_files
from components.live_models import push
from pipeline.runs import lock
from pipeline.runs.metadata_store import (
    METADATA_FILE,
    MetadataError,
    artifact_folder,
    open_metadata,
)

if TYPE_CHECKING:  # it imports ML Metadata
    from pipeline.runs.retention import Retired


@dataclasses.dataclass(frozen=True)
class Leftover:
    """A file or folder that is not needed.

    Attributes:
        path: Where it is.
        size: Size of all its files, in bytes.
        reason: Why it is not needed.
        problem: Why it could not be removed; None if it was, or if nothing was tried.
    """

    path: Path
    size: int
    reason: str
    problem: str | None = None


class NotRemovedError(OSError):
    """Some paths could not be removed; all others were."""

    def __init__(self, left: Sequence[Leftover]):
        lines = [f"{leftover.path}: {leftover.problem}" for leftover in left]
        super().__init__(
            "\n".join(lines)
            + "\nEverything else was removed. Fix the cause, such as the folder's "
            "permissions, and run the same command again."
        )


def leftovers(out: Path) -> list[Leftover]:
    """Finds what may be removed. The caller must ensure that no run is in progress.

    Raises:
        MetadataError: If the metadata store, the only record of what is needed, is
            missing or damaged.
    """
    found = [
        *_artifacts(out),
        *((path, "left by a killed push or rollback") for path in _unpushed(out)),
        *((path, "a temporary file of a killed run") for path in _temporary(out)),
        *((path, "written partially") for path in _half_written(out)),
    ]
    return [Leftover(path, _size(path), reason) for path, reason in found]


def old_runs(retired: "Retired") -> list[Leftover]:
    """Lists the files of runs that nothing needs any more."""
    return [
        Leftover(path, _size(path), "belongs to old runs, and is not needed")
        for path in retired.folders
    ]


def remove(leftover: Leftover, live_folder: Path) -> Leftover:
    """Removes a leftover, or as much of it as can be removed.

    Returns:
        The leftover, with the problem if any of it could not be removed.
    """
    try:
        if leftover.path.parent == live_folder:
            # A rollback is not a run: the folder has a lock of its own for it.
            push.remove_unfinished(leftover.path)
        else:
            durable_files.remove(leftover.path)
    except OSError as error:
        problem = f"{error.strerror} ({error.filename})"
        return dataclasses.replace(leftover, problem=problem)
    return leftover


def _artifacts(out: Path) -> Iterator[tuple[Path, str]]:
    """Yields outputs and working folders of executions that did not succeed."""
    folders = sorted(out.glob("artifacts/*/*/*"))
    if not folders:
        return
    good, kept = _needed(out)
    for folder in folders:
        if folder.parent.parent.name == ".system" or not folder.name.isdecimal():
            continue
        if folder not in kept:
            yield folder, "an output of a step that did not finish"
    # The first are named after executions; the second are removed when a step ends.
    for folder in sorted(out.glob("artifacts/*/.system/executor_execution/*")):
        if not folder.name.isdecimal() or int(folder.name) not in good:
            yield folder, "a working folder of a step that did not finish"
    for folder in sorted(out.glob("artifacts/*/.system/stateful_working_dir/*")):
        yield folder, "a working folder of a step that did not finish"


def _needed(out: Path) -> tuple[set[int], set[Path]]:
    """Returns the executions that succeeded, and the folders that they need."""
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    path = out / METADATA_FILE
    if not path.is_file():
        raise MetadataError(
            f"{path}, the only record of what is needed, is missing. Restore it from a "
            f"backup ('marquee doctor --restore --out {out}'). Without it, all of "
            f"{out / 'artifacts'} is made again, and may be removed by hand"
        )
    try:
        store = open_metadata(path)
        good = {
            execution.id
            for execution in store.get_executions()
            if execution.last_known_state
            in (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)
        }
        uris = {
            artifact.id: artifact.uri
            for artifact in store.get_artifacts()
            if artifact.state != mlmd.Artifact.DELETED
        }
        needed = {
            uris[event.artifact_id]
            for event in (store.get_events_by_execution_ids(good) if good else ())
            if event.artifact_id in uris
        }
    except RuntimeError as error:
        raise MetadataError(
            f"{path} cannot be read: {error}. 'marquee doctor --restore --out {out}' "
            "restores it as it was before the last run, if there is a copy"
        ) from error
    # The folder may have been moved since the store was written.
    return good, {artifact_folder(out, uri) for uri in needed}


def _unpushed(out: Path) -> list[Path]:
    return sorted(Path(out, "live").glob(f"{durable_files.UNFINISHED}*"))


def _temporary(out: Path) -> list[Path]:
    return sorted(Path(out, lock.TEMPORARY_FOLDER).glob("*"))


def _half_written(out: Path) -> list[Path]:
    patterns = (f"{durable_files.UNFINISHED}*", f"runs/*/{durable_files.UNFINISHED}*")
    found = [path for pattern in patterns for path in out.glob(pattern)]
    # A server that logs lists completes each file within a minute.
    oldest = time.time() - 120
    for path in out.glob(f"lists/{durable_files.UNFINISHED}*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                found.append(path)
    return sorted(found)


def _size(path: Path) -> int:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_dir())
