"""Starts commands quickly, one after the other, and kills them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).parents[2]
# The fewest models and epochs that have all kinds of steps.
SETTINGS = (
    *("--models", "popularity,gmf", "--set", "models.gmf.epochs=2"),
    *("--set", "serving.max_latency_ms=10000"),
    *("--set", "gate.min_users=20"),  # of 120, some are in the test split
)


def run_arguments(data: Path, out: Path) -> list[str | Path]:
    """Returns the arguments of a small run on a log, into a folder."""
    return ["run", "--data", data, "--out", out, *SETTINGS]


class Starter:
    """A process that has imported TFX and forks for each command.

    Args:
        folder: Folder for the output of the commands.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.output = folder / "output.txt"
        self._process = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "support" / "forked_commands.py"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "starter.txt").open("w"),
            text=True,
        )
        ready = self._process.stdout.readline()
        assert ready == "ready\n", (folder / "starter.txt").read_text()

    def start(self, *arguments: str | Path, folder: Path | None = None) -> None:
        """Starts a command; ``child`` is the process ID of its group.

        Args:
            arguments: Arguments of the command.
            folder: Working folder of the command, if not the one for the output.
        """
        self.output.unlink(missing_ok=True)
        order = {
            "arguments": list(map(str, arguments)),
            "folder": str(folder or self.folder),
            "environment": {**os.environ, "PYTHONPATH": str(ROOT)},
            "output": str(self.output),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self.child = int(self._process.stdout.readline())

    def wait(self) -> int:
        """Waits for the command; returns its exit status, or minus a signal."""
        return int(self._process.stdout.readline())

    def kill(self) -> int:
        """Kills the whole process group with SIGKILL; returns the exit status."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child, signal.SIGKILL)
        return self.wait()

    def text(self) -> str:
        """Returns the output so far."""
        return self.output.read_text() if self.output.exists() else ""

    def run(
        self, *arguments: str | Path, folder: Path | None = None
    ) -> SimpleNamespace:
        """Runs a command to its end, as ``start``; returns its ``status`` and ``text``.

        If it is interrupted, as by the time limit of a test, the command is killed.
        """
        self.start(*arguments, folder=folder)
        try:
            status = self.wait()
        except BaseException:
            self.kill()
            raise
        return SimpleNamespace(status=status, text=self.text())

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()
