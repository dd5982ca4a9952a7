"""``make bench-store``: a cached run with 1,000 runs in the store, and with few.

A hundred real cached runs take minutes. This benchmark therefore clones the rows of the
last one, which tests/pipeline/runs/test_store_lookups.py compares with real ones. It
measures the steps of a real cached run: their seconds, and the bytes that ML Metadata
returns.
"""

import contextlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import click
from ml_metadata import MetadataStore
from rich.console import Console
from rich.table import Table

from pipeline.config.load import load_config
from pipeline.runs import execute, local_runner, store_lookups
from pipeline.runs.metadata_store import METADATA_FILE

# Tables to which each cached run adds rows that refer to its own executions.
_OF_EXECUTIONS = ("ExecutionProperty", "Association")


def clone_last_run(path: Path, count: int) -> None:
    """Adds runs to a store, each with copies of the rows of the last one.

    Args:
        path: Path of the store, whose last run came from the cache.
        count: Number of runs to add.
    """
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        [last] = store.execute(
            "SELECT max(Context.id) FROM Context JOIN Type ON Type.id = type_id "
            "WHERE Type.name = 'pipeline_run'"
        ).fetchone()
        executions = [
            number
            for [number] in store.execute(
                "SELECT execution_id FROM Association WHERE context_id = ?", [last]
            )
        ]
        for number in range(count):
            run = _copy(store, "Context", last, name=f"clone-{number}")
            for table in ("ParentContext", "Attribution"):
                _copy_rows(store, table, "context_id", {last: run})
            copies = {
                old: _copy(store, "Execution", old, name=f"clone-{number}-{old}")
                for old in executions
            }
            for table in _OF_EXECUTIONS:
                _copy_rows(store, table, "execution_id", copies)
            marks = ",".join("?" * len(copies))
            store.execute(
                f"UPDATE Association SET context_id = ? WHERE context_id = ? "
                f"AND execution_id IN ({marks})",
                [run, last, *copies.values()],
            )
            for old, new in copies.items():
                for [event] in store.execute(
                    "SELECT id FROM Event WHERE execution_id = ?", [old]
                ).fetchall():
                    copied = _copy(store, "Event", event, execution_id=new)
                    _copy_rows(store, "EventPath", "event_id", {event: copied})


def _copy(store: sqlite3.Connection, table: str, row: int, **changed: object) -> int:
    """Copies a row; returns the id of the copy."""
    columns = [name for name in _columns(store, table) if name != "id"]
    values = ", ".join("?" if name in changed else name for name in columns)
    given = [changed[name] for name in columns if name in changed]
    return int(
        store.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) "
            f"SELECT {values} FROM {table} WHERE id = ?",
            [*given, row],
        ).lastrowid
        or 0
    )


def _copy_rows(
    store: sqlite3.Connection, table: str, key: str, copies: dict[int, int]
) -> None:
    """Copies the rows that refer to some ids, and makes the copies refer to others."""
    columns = [name for name in _columns(store, table) if name not in ("id", key)]
    listed = ", ".join(columns)
    store.executemany(
        f"INSERT INTO {table} ({key}, {listed}) "
        f"SELECT ?, {listed} FROM {table} WHERE {key} = ?",
        [(new, old) for old, new in copies.items()],
    )


def _columns(store: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in store.execute(f"PRAGMA table_info({table})")]


@contextlib.contextmanager
def counted() -> Iterator[SimpleNamespace]:
    """Counts ML Metadata's ``calls`` within the context, and the returned ``bytes``."""
    found = SimpleNamespace(calls=0, bytes=0)
    call = MetadataStore._call

    def counting(self, name, request, response, *others):  # type: ignore[no-untyped-def]  # untyped in ML Metadata
        result = call(self, name, request, response, *others)
        found.calls += 1
        found.bytes += response.ByteSize()
        return result

    with mock.patch.object(MetadataStore, "_call", counting):
        yield found


class _SilentObserver:
    """Observes a run without any output."""

    def __getattr__(self, name: str) -> object:
        return lambda *_: None


def _cached_run(out: Path, run_id: str) -> tuple[float, SimpleNamespace]:
    """Returns the seconds of the steps, and their calls of ML Metadata."""
    measured = []
    run_locally = local_runner.run_locally

    def timed(*arguments):  # type: ignore[no-untyped-def]  # passed on
        with counted() as calls:
            started = time.perf_counter()
            results = run_locally(*arguments)
            measured.append((time.perf_counter() - started, calls))
        return results

    with mock.patch.object(local_runner, "run_locally", timed):
        execute.execute(load_config(None, (f"out={out}",)), run_id, _SilentObserver())
    return measured[0]


@click.command()
@click.option("--runs", "count", default=1000, show_default=True)
def main(count: int) -> None:
    """Print the figures of docs/operations.md."""
    lookups_of = {
        "TFX's": lambda: mock.patch.object(
            store_lookups, "bounded", contextlib.nullcontext
        ),
        "bounded": contextlib.nullcontext,
    }
    table = Table("look-ups", "runs in the store", "steps, s", "calls", "MB answered")
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary, "out")
        for number in range(3):
            execute.execute(
                load_config(None, (f"out={out}",)), str(number), _SilentObserver()
            )
        few = Path(temporary, METADATA_FILE)
        shutil.copy(out / METADATA_FILE, few)
        for name in lookups_of:
            seconds = []
            for more in (0, count):
                for ending in ("-wal", "-shm"):
                    Path(f"{out / METADATA_FILE}{ending}").unlink(missing_ok=True)
                shutil.copy(few, out / METADATA_FILE)
                clone_last_run(out / METADATA_FILE, more)
                with lookups_of[name]():
                    _cached_run(out, f"{name}-{more}-warm")
                    spent, found = _cached_run(out, f"{name}-{more}")
                seconds.append(spent)
                figures = (f"{3 + more:,}", f"{spent:.2f}", f"{found.calls:,}")
                table.add_row(name, *figures, f"{found.bytes / 1e6:.2f}")
            print(f"{name}: {seconds[1] / seconds[0]:.2f} times")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
