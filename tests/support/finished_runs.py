"""What runs left behind, read without the code under test."""

import contextlib
import hashlib
import json
import sqlite3
from collections import Counter
from pathlib import Path

STATES = {2: "running", 3: "done", 4: "failed", 5: "cached"}
QUERY = """
    SELECT Execution.id, Context.name, Execution.last_known_state FROM Execution
    JOIN Association ON Association.execution_id = Execution.id
    JOIN Context ON Context.id = Association.context_id
    JOIN Type ON Type.id = Context.type_id
    WHERE Type.name = 'node' AND Execution.id > ? ORDER BY Execution.id
"""


def executions(out: Path, after: int = 0) -> list[tuple[int, str, str]]:
    """Returns (ID, step, state) of each execution in the metadata store.

    Args:
        out: The output folder of the runs.
        after: Only executions with a greater ID are returned.
    """
    path = out / "metadata.sqlite"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as store:
        tables = store.execute(
            "SELECT count(*) FROM sqlite_master WHERE name = 'Association'"
        ).fetchone()
        if tables == (0,):
            return []
        return [
            (number, name.partition(".")[2], STATES.get(state, state))
            for number, name, state in store.execute(QUERY, [after])
        ]


def done(out: Path, after: int = 0) -> Counter[str]:
    """Counts how often each step was really executed since an execution."""
    rows = executions(out, after)
    return Counter(step for _, step, state in rows if state == "done")


def live_files(out: Path) -> dict[int, dict[str, str]]:
    """Returns version → file → SHA-256, after comparing each with its manifest."""
    found = {}
    live = out / "live"
    folders = [p for p in live.iterdir() if p.name.isdecimal()] if live.is_dir() else []
    for folder in folders:
        sums = {
            str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in folder.rglob("*")
            if file.is_file()
        }
        manifest = json.loads((folder / "assets.extra/manifest.json").read_text())
        expected = {**sums}
        del expected["assets.extra/manifest.json"]
        assert manifest["sha256"] == expected, f"{folder} is not complete"
        found[int(folder.name)] = sums
    return found
