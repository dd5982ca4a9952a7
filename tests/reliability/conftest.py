"""Real runs on a small log, and what they left, read without the code under test."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# The fewest models and epochs that have all kinds of steps.
SETTINGS = (
    *("--models", "popularity,gmf", "--set", "models.gmf.epochs=2"),
    *("--set", "serving.max_latency_ms=10000"),
    *("--set", "gate.min_users=20"),  # of 120, some are in the test split
)


class Starter:
    """Starts commands one after the other, and kills them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.output = folder / "output.txt"
        self._process = subprocess.Popen(
            [sys.executable, HERE / "starter.py"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "starter.txt").open("w"),
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n", self._told()

    def _told(self):
        return (self.folder / "starter.txt").read_text()

    def start(self, *arguments):
        self.output.unlink(missing_ok=True)
        asked = {"arguments": list(map(str, arguments)), "output": str(self.output)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        self.child = int(self._process.stdout.readline())

    def wait(self):
        """The exit status; negative of a signal."""
        return int(self._process.stdout.readline())

    def kill(self):
        """SIGKILL for the whole process group, and what has left it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child, signal.SIGKILL)
        return self.wait()

    def text(self):
        return self.output.read_text() if self.output.exists() else ""

    def run(self, *arguments):
        self.start(*arguments)
        status = self.wait()
        return SimpleNamespace(status=status, text=self.text())

    def close(self):
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    starter = Starter(tmp_path_factory.mktemp("starter"))
    yield starter
    starter.close()


@pytest.fixture(scope="session")
def as_root():
    """Mounting, control groups and dropping rights are root's; nothing is skipped."""
    if os.geteuid() != 0:
        pytest.fail("only root may do this: sudo make test-reliability")


@pytest.fixture(scope="session")
def run_arguments():
    """A run on a log, in a folder."""
    return lambda data, out: ["run", "--data", data, "--out", out, *SETTINGS]


@pytest.fixture(scope="session")
def write_log():
    """Writes 120 users in two camps, each of whom sees only the items of its own."""

    def write(path, shift=0):
        rows = ["user_id,item_id,rating,timestamp"]
        for user in range(120):
            for turn in range(14):
                item = 2 * ((user + 3 * turn + shift) % 20) + user % 2
                when = 1_600_000_000 + turn * 1000 + user
                rows.append(f"u{user},i{item},{5 - (user + turn) % 4},{when}")
        path.write_text("\n".join(rows) + "\n")

    return write


@pytest.fixture(scope="module")
def finished(tmp_path_factory, starter, run_arguments, write_log):
    """The log and folder of a run that went live, and ``copy`` beside that folder."""
    folder = tmp_path_factory.mktemp("finished")
    log, out = folder / "log.csv", folder / "out"
    write_log(log)
    ended = starter.run(*run_arguments(log, out))
    assert ended.status == 0, ended.text
    shutil.copytree(out, folder / "copy", symlinks=True)
    return log, out


@pytest.fixture(scope="session")
def executions():
    """The store as SQLite has it: (step, state) -> how often, from an id on."""
    states = {2: "running", 3: "done", 4: "failed", 5: "cached"}
    query = """
        SELECT Execution.id, Context.name, Execution.last_known_state FROM Execution
        JOIN Association ON Association.execution_id = Execution.id
        JOIN Context ON Context.id = Association.context_id
        JOIN Type ON Type.id = Context.type_id
        WHERE Type.name = 'node' AND Execution.id > ? ORDER BY Execution.id
    """

    def read(out, after=0):
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
                (number, name.partition(".")[2], states.get(state, state))
                for number, name, state in store.execute(query, [after])
            ]

    return read


@pytest.fixture(scope="session")
def done(executions):
    """Step -> how often it was really done since an execution."""

    def count(out, after=0):
        rows = executions(out, after)
        return Counter(step for _, step, state in rows if state == "done")

    return count


@pytest.fixture(scope="session")
def live_files():
    """Version number -> checksums of its files, if each matches its manifest."""

    def read(out):
        found = {}
        live = out / "live"
        folders = (
            [p for p in live.iterdir() if p.name.isdecimal()] if live.is_dir() else []
        )
        for folder in folders:
            sums = {
                str(file.relative_to(folder)): hashlib.sha256(
                    file.read_bytes()
                ).hexdigest()
                for file in folder.rglob("*")
                if file.is_file()
            }
            manifest = json.loads((folder / "assets.extra/manifest.json").read_text())
            told = {**sums}
            del told["assets.extra/manifest.json"]
            assert manifest["sha256"] == told, f"{folder} is not whole"
            found[int(folder.name)] = sums
        return found

    return read
