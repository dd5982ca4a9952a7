"""Starts a real HDFS on loopback."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_JARS, _MAIN = _ROOT / "build" / "hdfs", _ROOT / "tests" / "hdfs" / "Hdfs.java"


@contextlib.contextmanager
def hdfs(folder: Path) -> Iterator[str]:
    """HDFS in a folder; ``host:port`` of its WebHDFS."""
    if shutil.which("java") is None or not _JARS.exists():
        pytest.skip("no HDFS: run make hdfs (openjdk-17-jdk, maven)")
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            ["java", "-cp", f"{_JARS}/*", str(_MAIN), str(folder / "data")],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if line.startswith("http://"):
                yield line.strip().removeprefix("http://")
                break
        else:
            pytest.fail((folder / "log").read_text())
    finally:
        server.kill()
        server.wait(60)
