"""The ``marquee`` command in a process of its own, as a user runs it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

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
    code: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> SimpleNamespace:
    """Runs the command on a copy of the code.

    Args:
        code: Folder of the copy, which is also the working folder.
        arguments: Arguments of the command.
        env: Environment of the process; by default this one's, with the copy.

    Returns:
        ``status``, ``text`` (both outputs) and ``run`` (the newest ``run.json`` below
        ``--out``, or None).
    """
    process = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=code,
        env=env or environment(code),
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


def shell_lines(page: Path) -> Iterator[str]:
    """Yields the lines of a page's shell blocks without their comments."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.splitlines():
            yield line.partition("  #")[0].partition(" # ")[0].strip()
