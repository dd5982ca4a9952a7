"""The ``marquee`` command in a process of its own, as a user runs it."""

import atexit
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

from tests.support.starter import Starter

ROOT = Path(__file__).parents[2]
# The environment of an ASCII terminal of 40 columns, without colours.
POOR_TERMINAL = {
    "PYTHONIOENCODING": "ascii",
    "LANG": "C",
    "LC_ALL": "C",
    "NO_COLOR": "1",
    "COLUMNS": "40",
    "TERM": "vt100",
}


def environment(code: Path) -> dict[str, str]:
    """Returns the environment of a process that imports a copy of the code.

    In a copy, coverage would measure nothing: it would only trace each call.

    Args:
        code: Folder of the copy.
    """
    variables = {**os.environ, "PYTHONPATH": str(code)}
    if code != ROOT:
        variables.pop("COVERAGE_PROCESS_CONFIG", None)
    return variables


def marquee(
    code: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> SimpleNamespace:
    """Runs the command on the code of this checkout, or on a copy.

    For this checkout, TFX is imported once for all commands: each runs in a fork of
    that process, except with an environment of its own.

    Args:
        code: ``ROOT``, or the folder of a copy.
        arguments: Arguments of the command.
        env: Environment of the process; by default this one's, with the copy.
        folder: Working folder; by default that of the code.

    Returns:
        ``status``, ``text`` (both outputs) and ``run`` (the newest ``run.json`` below
        ``--out``, or None).
    """
    folder = folder or code
    if code == ROOT and env is None:
        ended = _starter().run(*arguments, folder=folder)
        status, text = ended.status, ended.text
    else:
        process = subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=folder,
            env=env or environment(code),
            capture_output=True,
            text=True,
            check=False,
        )
        status, text = process.returncode, process.stdout + process.stderr
    out = arguments[arguments.index("--out") + 1] if "--out" in arguments else "none"
    runs = sorted((folder / out).glob("runs/*/run.json"))
    return SimpleNamespace(
        status=status,
        text=text,
        run=json.loads(runs[-1].read_text()) if runs else None,
    )


@functools.cache
def _starter() -> Starter:
    """Returns the process of which commands are forks; it ends with this one."""
    folder = tempfile.TemporaryDirectory(prefix="marquee-commands-")
    atexit.register(folder.cleanup)
    return Starter(Path(folder.name))


def shell_lines(page: Path) -> Iterator[str]:
    """Yields the lines of a page's shell blocks without their comments."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.splitlines():
            yield line.partition("  #")[0].partition(" # ")[0].strip()
