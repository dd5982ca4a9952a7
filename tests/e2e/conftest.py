"""Runs ``marquee`` as a person does: a command in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("components", "configs", "pipeline", "schema", "trainer_modules")


def _marquee(code: Path, *arguments: str) -> SimpleNamespace:
    """Runs a command on a copy of the code: status, output, and the run if any."""
    process = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments],
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        check=False,
    )
    out = arguments[arguments.index("--out") + 1]
    runs = sorted(Path(out).glob("runs/*/run.json"))
    return SimpleNamespace(
        status=process.returncode,
        text=process.stdout + process.stderr,
        run=json.loads(runs[-1].read_text()) if runs else None,
    )


@pytest.fixture(scope="session")
def copy_of_the_code(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Copies the packages, so that a test may edit them."""

    def copy() -> Path:
        folder = tmp_path_factory.mktemp("code")
        for package in CODE:
            shutil.copytree(
                ROOT / package,
                folder / package,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        return folder

    return copy


@pytest.fixture(scope="session")
def marquee() -> Callable[..., SimpleNamespace]:
    """The command: a copy of the code, then its arguments, ``--out`` among them."""
    return _marquee
