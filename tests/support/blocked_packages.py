"""An environment in which Python, in every process, cannot import some packages."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Importing one of them takes longer than the commands that must do without may take.
# What no command imports that only reads: tensorflow/__init__.py needs the last.
TRAINING = ("apache_beam", "keras", "tensorflow_transform", "tfx", "tensorflow._api")
DATA = ("numpy", "pandas", "pyarrow")


def environment_without(folder: Path, *names: str, code: Path = ROOT) -> dict[str, str]:
    """Returns the environment of a process that, like its children, lacks packages.

    Args:
        folder: An empty folder for the module that Python imports first.
        names: Names of packages and modules.
        code: Folder of our own packages.
    """
    blocked = f"import sys\nsys.modules.update(dict.fromkeys({names!r}))\n"
    (folder / "sitecustomize.py").write_text(blocked)
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{code}"}
