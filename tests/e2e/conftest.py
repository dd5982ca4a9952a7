"""Copies of the code, and a shell as a user has it."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import ROOT, marquee

CODE = ("components", "configs", "pipeline", "schema", "trainer_modules")
_OF_THE_SHELL = set("|&;<>()$`*?[~")  # with these, a line needs a shell


@pytest.fixture(scope="session")
def copy_of_the_code(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Copies the packages to a new folder, so that a test may edit them."""

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
def shell(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a line in bash with the environment's commands on the path.

    The line must succeed; its standard output and error are returned. Lines with only
    ``marquee`` and its arguments need no shell: they are forks of one process.
    """
    programs = tmp_path_factory.mktemp("bin")
    # A link to the interpreter would not find the packages of its environment.
    options = {"marquee": "-m pipeline", "pytest": "-m pytest", "python": ""}
    for name, own in options.items():
        path = programs / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {own} "$@"\n')
        path.chmod(0o755)

    def run(line: str, folder: Path, code: Path = ROOT) -> str:
        words = shlex.split(line, comments=True)
        is_plain = words[:1] == ["marquee"] and not set(line) & _OF_THE_SHELL
        if is_plain and code == ROOT:
            ended = marquee(ROOT, *words[1:], folder=folder)
            assert ended.status == 0, f"{line}\n{ended.text}"
            return ended.text
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
        output = process.stdout + process.stderr
        assert process.returncode == 0, f"{line}\n{output}"
        return output

    return run
