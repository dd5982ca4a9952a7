"""A metadata store's tables, read by SQLite alone."""

import contextlib
import sqlite3
from pathlib import Path

# (Table, column) that refers to a row → table of that row.
REFERENCES = {
    ("ArtifactProperty", "artifact_id"): "Artifact",
    ("ExecutionProperty", "execution_id"): "Execution",
    ("ContextProperty", "context_id"): "Context",
    ("Event", "artifact_id"): "Artifact",
    ("Event", "execution_id"): "Execution",
    ("EventPath", "event_id"): "Event",
    ("Association", "context_id"): "Context",
    ("Association", "execution_id"): "Execution",
    ("Attribution", "context_id"): "Context",
    ("Attribution", "artifact_id"): "Artifact",
    ("ParentContext", "context_id"): "Context",
    ("ParentContext", "parent_context_id"): "Context",
    ("Artifact", "type_id"): "Type",
    ("Execution", "type_id"): "Type",
    ("Context", "type_id"): "Type",
}


def counts(path: Path) -> dict[str, int]:
    """Returns the number of rows of each table of a store."""
    with contextlib.closing(sqlite3.connect(path)) as store:
        tables = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            name: store.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for [name] in tables.fetchall()
        }


def dangling(out: Path) -> dict[tuple[str, str], list[tuple[int]]]:
    """Returns the references whose row is missing, by column.

    Args:
        out: The output folder of the runs.
    """
    with contextlib.closing(sqlite3.connect(out / "metadata.sqlite")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {
            reference: rows
            for reference, table in REFERENCES.items()
            if (
                rows := store.execute(
                    f"SELECT {reference[1]} FROM {reference[0]} "
                    f"WHERE {reference[1]} NOT IN (SELECT id FROM {table})"
                ).fetchall()
            )
        }
