"""Runs ``marquee`` as a person does: a command in a process of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("components", "configs", "pipeline", "schema", "trainer_modules")


def _marquee(code: Path, *arguments: str) -> SimpleNamespace:
    """Runs a command on a copy of the code: status, output, and the run if any."""
    process = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        check=False,
    )
    out = arguments[arguments.index("--out") + 1] if "--out" in arguments else "none"
    runs = sorted(Path(code, out).glob("runs/*/run.json"))
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
    """The command: where a copy of the code is, then the arguments."""
    return _marquee


@pytest.fixture(scope="session")
def commands() -> Callable[[Path], Iterator[str]]:
    """The lines of a page's shell blocks, without their comments."""

    def of(page: Path) -> Iterator[str]:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.splitlines():
                yield line.partition("  #")[0].partition(" # ")[0].strip()

    return of


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a line as a person does, with the environment's commands on the path."""
    programs = tmp_path_factory.mktemp("bin")
    for name, module in {"marquee": "pipeline", "pytest": "pytest"}.items():
        path = programs / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        path.chmod(0o755)
    (programs / "python").symlink_to(sys.executable)

    def run(line: str, folder: Path, code: Path = ROOT) -> str:
        process = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "PYTHONPATH": str(code),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        told = process.stdout + process.stderr
        assert process.returncode == 0, f"{line}\n{told}"
        return told

    return run


@pytest.fixture(scope="session")
def own_ratings() -> str:
    """A small log of 240 users in two camps: each sees only its own items."""
    rows = ["user_id,item_id,rating,timestamp"]
    for user in range(240):
        for turn in range(12):
            item = 2 * ((user + 3 * turn) % 20) + user % 2
            rows.append(f"u{user},i{item},{4 + turn % 2},{1_600_000_000 + turn}")
    return "\n".join(rows) + "\n"
