"""Runs a command during which the disk becomes full at the rename to a name.

``python -m tests.support.full_disk FAULT NAME ARGUMENT...``, where FAULT is ``replace``
or ``fsync`` (an injected error), or the path of a file: the disk is really filled, and
the file then lists what fills it and, in its last line, the kernel's error.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from components import durable_files
from pipeline.cli import command

Move = Callable[[Path, Path], None]


def fails_at_rename(name: str, move: Move) -> Move:
    def full(source: Path, target: Path) -> None:
        if target.name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        move(source, target)

    return full


def fails_at_sync(name: str, move: Move) -> Move:
    def unsynced(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def full(source: Path, target: Path) -> None:
        if target.name == name:
            durable_files.sync = unsynced
        move(source, target)

    return full


def fills_before_rename(name: str, move: Move, filled: Path) -> Move:
    def full(source: Path, target: Path) -> None:
        if target.name != name or filled.exists():
            move(source, target)
            return
        fillers = [str(path) for path in fill(target.parent)]
        try:
            move(source, target)
        except OSError as error:
            filled.write_text("\n".join([*fillers, str(error.errno)]))
            raise
        filled.write_text("\n".join([*fillers, "there was space"]))

    return full


def fill(folder: Path) -> Iterator[Path]:
    """Leaves no free block on the disk and no space for a name in the folder."""
    ballast = folder / "ballast"
    yield ballast
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 10, 1 << 10, 1 << 10):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
            os.fsync(file)  # frees the blocks reserved for this file's map
    for length in (200, 60, 16, 4):
        with contextlib.suppress(OSError):
            for number in range(999):
                path = folder / f"{number:x>{length}}"
                path.touch()
                yield path


if __name__ == "__main__":
    fault, name, *arguments = sys.argv[1:]
    move = durable_files.move
    if fault == "replace":
        durable_files.move = fails_at_rename(name, move)
    elif fault == "fsync":
        durable_files.move = fails_at_sync(name, move)
    else:
        durable_files.move = fills_before_rename(name, move, Path(fault))
    command.main(arguments, prog_name="marquee")
