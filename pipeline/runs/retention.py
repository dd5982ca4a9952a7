"""Finds the finished runs that are not needed, and removes their files and records.

Kept are the files of the newest runs and what they took from the cache; what the
versions in the live folder need to serve, to be judged and to be explained; and the
lineage of all of that, as rows. ML Metadata has no call that removes rows, so the
store's tables are changed directly, in one transaction and for one known layout.
"""

import contextlib
import dataclasses
import datetime
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.lineage import needed_by_versions
from pipeline.lineage.store import OF_OTHER_MODELS
from pipeline.runs.metadata_store import METADATA_FILE, MetadataError, artifact_folder

_LAYOUT = 10  # of ML Metadata 1.15's tables
_COMPLETE, _OUTPUT, _INPUT, _DELETED = 3, 4, 3, 4  # as ML Metadata's enums have them
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@dataclasses.dataclass(frozen=True)
class Retired:
    """What can be removed from a folder of runs.

    Attributes:
        runs: IDs of the runs to remove, the oldest first.
        executions: IDs of the executions whose rows are kept.
        artifacts: IDs of the artifacts whose rows are kept.
        with_files: IDs of the artifacts whose files are kept, too.
        folders: Folders of runs, artifacts and executions to remove.
    """

    runs: tuple[str, ...]
    executions: frozenset[int]
    artifacts: frozenset[int]
    with_files: frozenset[int]
    folders: tuple[Path, ...]


def parse_age(text: str) -> datetime.timedelta:
    """Parses an age such as ``36h``, ``90d`` or ``12w``.

    Raises:
        ValueError: If the text is not an age.
    """
    found = re.fullmatch(r"(\d{1,6})([hdw])", text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is not an age such as 36h, 90d or 12w")
    return datetime.timedelta(**{_UNITS[found[2]]: int(found[1])})


def plan(
    out: Path,
    keep_runs: int = 1,
    older_than: datetime.timedelta | None = None,
    now: datetime.datetime | None = None,
) -> Retired:
    """Finds what may be removed. The caller must ensure that no run is in progress.

    Args:
        out: Folder of the runs.
        keep_runs: Number of the newest runs to keep, of any age; at least 1, as the
            next run takes from the cache what the last one made or found there.
        older_than: Age up to which all runs are kept; None to ignore their age.
        now: The present moment, with a time zone.

    Raises:
        MetadataError: If the store is damaged, or has another layout.
        NoLineageError: If the store is missing.
        VersionError: If a version cannot be read, so that its needs are not known.
    """
    needed = needed_by_versions(out)
    now = now or datetime.datetime.now(datetime.UTC)
    before = (now - (older_than or datetime.timedelta(0))).timestamp() * 1000
    known, of_run, graph, uris = _read_store(out)
    kept_runs = {
        number
        for place, (number, _, began) in enumerate(known)
        if place < max(keep_runs, 1) or began >= before
    }
    recent = {execution for run in kept_runs for execution in of_run[run]}
    with_files = graph.artifacts(recent) | needed.folders
    executions = graph.upstream(recent | needed.executions, with_files)
    artifacts = graph.artifacts(executions) | with_files
    # A run that made what a version needs is part of its lineage, and is kept.
    runs = [
        (number, name)
        for number, name, _ in reversed(known)
        if number not in kept_runs and not of_run[number] & executions
    ]
    kept_places = {artifact_folder(out, uris[number]) for number in with_files}
    gone = {e for executions_of in of_run.values() for e in executions_of} - executions
    folders = {
        *(out / "runs" / name for _, name in runs),
        *_unrecorded(out, known, kept_runs),
        *({artifact_folder(out, uri) for uri in uris.values()} - kept_places),
        *_working_folders(out, gone),
    }
    return Retired(
        runs=tuple(name for _, name in runs),
        executions=frozenset(executions),
        artifacts=frozenset(artifacts),
        with_files=frozenset(with_files),
        folders=tuple(sorted(path for path in folders if path.is_dir())),
    )


def _read_store(
    out: Path,
) -> "tuple[list[tuple[int, str, int]], dict[int, set[int]], _Graph, dict[int, str]]":
    """Returns the runs, newest first, their executions, the graph, and the URIs."""
    with _opened(out, "mode=ro") as store:
        known = store.execute(
            "SELECT Context.id, Context.name, Context.create_time_since_epoch "
            "FROM Context JOIN Type ON Type.id = type_id "
            "WHERE Type.name = 'pipeline_run' ORDER BY Context.id DESC"
        ).fetchall()
        of_run: dict[int, set[int]] = {number: set() for number, *_ in known}
        for run, execution in store.execute(
            "SELECT context_id, execution_id FROM Association"
        ):
            if run in of_run:
                of_run[run].add(execution)
        uris = dict(store.execute("SELECT id, uri FROM Artifact"))
        return known, of_run, _Graph(store), uris


def forget(out: Path, retired: Retired) -> None:
    """Removes the rows of retired runs from the store, all or none.

    The caller removes the files afterwards. If it is killed before, they are leftovers
    without an execution, which ``marquee clean`` finds.

    Raises:
        MetadataError: If the store is not writable; nothing was removed.
    """
    with _opened(out, "mode=rw") as store, store:
        store.execute("BEGIN IMMEDIATE")
        _table(store, "kept_execution", retired.executions)
        _table(store, "kept_artifact", retired.artifacts)
        _table(store, "with_files", retired.with_files)
        _table(store, "retired_run", retired.runs)
        for statement in _FORGET:
            store.execute(statement)
        store.execute(
            f"UPDATE Artifact SET state = {_DELETED} "
            "WHERE id NOT IN (SELECT id FROM with_files)"
        )


def mark_deleted(out: Path, artifacts: Iterable[int]) -> None:
    """Records that the files of artifacts are gone; the caller removes them afterwards.

    Raises:
        MetadataError: If the store is not writable; nothing was changed.
    """
    with _opened(out, "mode=rw") as store, store:
        store.execute("BEGIN IMMEDIATE")
        _table(store, "gone", artifacts)
        store.execute(
            f"UPDATE Artifact SET state = {_DELETED} WHERE id IN (SELECT id FROM gone)"
        )


def shrink(out: Path) -> None:
    """Returns the disk space of removed rows.

    Raises:
        MetadataError: If there is no room to rewrite the store, which is unchanged.
    """
    with _opened(out, "mode=rw") as store:
        store.execute("VACUUM")
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_OF_FORGOTTEN = "execution_id NOT IN (SELECT id FROM kept_execution)"
_UNUSED = """
    SELECT Context.id FROM Context JOIN Type ON Type.id = type_id
    WHERE Type.name IN ('node', 'execution_cache')
    AND Context.id NOT IN (SELECT context_id FROM Association)
    UNION SELECT Context.id FROM Context JOIN Type ON Type.id = type_id
    WHERE Type.name = 'pipeline_run' AND Context.name IN (SELECT id FROM retired_run)
"""
_FORGET = (
    "DELETE FROM EventPath WHERE event_id IN "
    f"(SELECT id FROM Event WHERE {_OF_FORGOTTEN})",
    *(
        f"DELETE FROM {table} WHERE {_OF_FORGOTTEN}"
        for table in ("Event", "ExecutionProperty", "Association")
    ),
    "DELETE FROM Execution WHERE id NOT IN (SELECT id FROM kept_execution)",
    *(
        f"DELETE FROM {table} WHERE {column} NOT IN (SELECT id FROM kept_artifact)"
        for table, column in (
            ("ArtifactProperty", "artifact_id"),
            ("Attribution", "artifact_id"),
            ("Artifact", "id"),
        )
    ),
    f"DELETE FROM Context WHERE id IN ({_UNUSED})",
    *(
        f"DELETE FROM {table} WHERE {column} NOT IN (SELECT id FROM Context)"
        for table, column in (
            ("ContextProperty", "context_id"),
            ("Attribution", "context_id"),
            ("ParentContext", "context_id"),
            ("ParentContext", "parent_context_id"),
        )
    ),
)


class _Graph:
    """The graph of executions and the artifacts that they read and made."""

    def __init__(self, store: sqlite3.Connection):
        self._touched: dict[int, set[int]] = {}
        self._inputs: dict[int, set[int]] = {}
        self._makers: dict[int, set[int]] = {}
        for execution, artifact, kind, state, name in store.execute(
            "SELECT execution_id, artifact_id, Event.type, last_known_state, step_key "
            "FROM Event JOIN Execution ON Execution.id = execution_id "
            "LEFT JOIN EventPath ON event_id = Event.id AND NOT is_index_step"
        ):
            self._touched.setdefault(execution, set()).add(artifact)
            if kind == _OUTPUT and state == _COMPLETE:
                self._makers.setdefault(artifact, set()).add(execution)
            if kind == _INPUT and name not in OF_OTHER_MODELS:
                self._inputs.setdefault(execution, set()).add(artifact)

    def artifacts(self, executions: Iterable[int]) -> set[int]:
        """Returns the inputs and outputs of executions."""
        return {a for e in executions for a in self._touched.get(e, ())}

    def upstream(self, executions: set[int], artifacts: Iterable[int]) -> set[int]:
        """Returns executions, the makers of artifacts, and everything upstream.

        The lineage of another model that was live then is not followed: it would lead
        through all runs back to the first.
        """
        found = set(executions)
        waiting = list(artifacts)
        waiting += [a for e in executions for a in self._inputs.get(e, ())]
        seen = set()
        while waiting:
            artifact = waiting.pop()
            if artifact in seen:
                continue
            seen.add(artifact)
            for maker in self._makers.get(artifact, ()):
                found.add(maker)
                waiting += self._inputs.get(maker, ())
        return found


@contextlib.contextmanager
def _opened(out: Path, mode: str) -> Iterator[sqlite3.Connection]:
    path = (out / METADATA_FILE).absolute()
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, isolation_level=None)
        ) as store:
            [[layout]] = store.execute("SELECT schema_version FROM MLMDEnv").fetchall()
            if layout != _LAYOUT:
                raise MetadataError(
                    f"{path} has layout {layout} of ML Metadata's tables; runs can be "
                    f"removed from layout {_LAYOUT} only"
                )
            yield store
    except sqlite3.Error as error:
        raise MetadataError(
            f"{path}: {error}. Nothing was removed from it. End the processes that "
            "have it open, or make room on its disk, and try again"
        ) from error


def _table(store: sqlite3.Connection, name: str, values: Iterable[int | str]) -> None:
    store.execute(f"CREATE TEMP TABLE {name} (id PRIMARY KEY)")
    store.executemany(f"INSERT INTO {name} VALUES (?)", ((value,) for value in values))


def _unrecorded(
    out: Path, known: list[tuple[int, str, int]], kept: set[int]
) -> Iterator[Path]:
    """Yields folders of runs that ended before their first step, and are old."""
    names = {name for _, name, _ in known}
    first = min((began for number, _, began in known if number in kept), default=0)
    for folder in out.glob("runs/*"):
        if folder.name not in names and folder.stat().st_mtime * 1000 < first:
            yield folder


def _working_folders(out: Path, executions: set[int]) -> Iterator[Path]:
    for folder in out.glob("artifacts/*/.system/executor_execution/*"):
        if folder.name.isdecimal() and int(folder.name) in executions:
            yield folder
