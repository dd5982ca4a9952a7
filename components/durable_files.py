"""Writes files atomically: no reader finds half a file, even after a power cut.

Every file that is replaced while another process may read it is written here: it is
written under another name, forced to disk and renamed, and the rename is forced to disk
too.
"""

import contextlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Prefix of files and folders that are renamed once they are complete. The next push, or
# `marquee clean`, removes those that a killed process left.
UNFINISHED = ".unfinished-"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path to write to; the file is renamed to ``path`` if the block succeeds.

    If the block or the rename fails, ``path`` stays as it was and the unfinished file
    is removed.

    Raises:
        OSError: If the file cannot be written, forced to disk or renamed.
    """
    unfinished = unfinished_beside(path)
    try:
        yield unfinished
        move(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write(path: Path, content: str | bytes) -> None:
    """Writes a file atomically; text is encoded as UTF-8.

    Raises:
        OSError: If it cannot be written; an existing file stays as it was.
    """
    with replacing(path) as unfinished:
        unfinished.write_bytes(
            content.encode() if isinstance(content, str) else content
        )


def move(source: Path, target: Path) -> None:
    """Renames a file or folder, replacing an existing file, and waits for the disk.

    The files inside a folder must be on disk already.
    """
    sync(source)
    source.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Waits until a file's content, or a folder's list of entries, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unfinished_beside(path: Path) -> Path:
    """Returns a new path in the same folder, to be renamed to ``path`` later."""
    return path.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")


def forbid_world_writable() -> None:
    """Prevents this process from creating files that all users may write to.

    The rest of the umask is kept: 077 restricts files to their owner, and 000 or 002
    allows a group to write, as volumes that a group shares require.
    """
    os.umask(os.umask(0o077) | stat.S_IWOTH)


def remove_at_once(path: Path) -> None:
    """Removes a file or a folder so that no reader finds half of it.

    Raises:
        OSError: If something cannot be removed; it is no longer at this path.
    """
    gone = unfinished_beside(path)
    path.rename(gone)
    remove(gone)


def remove(path: Path) -> None:
    """Removes a file, or a folder with its content; links are never followed.

    Everything that can be removed is removed, even if some of the folder cannot be.

    Raises:
        OSError: If something cannot be removed; it names the first such path. A file
            that has vanished in the meantime is not an error.
    """
    problems: list[OSError] = []

    def note(_act: Any, name: str, problem: Any) -> None:
        error = problem[1]
        if not isinstance(error, FileNotFoundError):
            error.filename = name  # rmtree reports only the name within its folder
            problems.append(error)

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=note)
    else:
        path.unlink(missing_ok=True)
    if problems:
        raise problems[0]
