"""Runs RecBole and RecTools in build/torch, their own environment."""

import subprocess
from pathlib import Path

import click

PYTHON = Path(__file__).parents[1] / "build" / "torch" / "bin" / "python"
# Those that are pinned, such as "torch==2.13.0".
VERSIONS = Path(__file__).with_name("torch.txt").read_text().split()


def run_peer(script: Path, *arguments: object, folder: Path) -> str:
    """Runs a script in the environment of the peers.

    Its memory is not watched, as ``processes.run_process`` does, which takes some of
    the time of the process that is measured.

    Args:
        script: The script.
        *arguments: Arguments of the script.
        folder: Folder to run it in, where RecBole writes logs.

    Returns:
        The last line of its standard output.

    Raises:
        click.ClickException: If it fails; the message has the end of its output.
    """
    # -I keeps benchmarks/recbole.py from hiding the package of that name.
    command = [PYTHON, "-I", script, *arguments]
    done = subprocess.run(
        [*map(str, command)], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise click.ClickException(f"{script.name} failed:\n{done.stderr[-3000:]}")
    return done.stdout.splitlines()[-1]
