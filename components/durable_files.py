"""Files that appear whole or not at all, and are still there after a power cut.

Every file that is replaced while somebody may read it goes through here: it is written
under another name, forced to disk, renamed, and the rename is forced to disk too.
"""

import contextlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Begins the name of a file or folder that is renamed once it is whole. What a killed
# process left under such a name is removed by the next push, or by `marquee clean`.
UNFINISHED = ".unfinished-"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path to write to; the file gets its name when the block succeeds.

    When the block or the rename fails, ``path`` stays as it was and the unfinished file
    is removed.

    Raises:
        OSError: The file cannot be written, forced to disk or renamed.
    """
    unfinished = unfinished_beside(path)
    try:
        yield unfinished
        move(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write(path: Path, content: str | bytes) -> None:
    """Writes a file whole or not at all; text as UTF-8.

    Raises:
        OSError: It cannot be written; an older file stays as it was.
    """
    with replacing(path) as unfinished:
        unfinished.write_bytes(
            content.encode() if isinstance(content, str) else content
        )


def move(source: Path, target: Path) -> None:
    """Renames a file or folder, in the place of an older file, and waits for the disk.

    The files inside a folder must be on disk already.
    """
    sync(source)
    source.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Waits until a file, or the list of a folder's entries, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unfinished_beside(path: Path) -> Path:
    """A new name in the same folder, for what will be renamed to ``path``."""
    return path.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")


def forbid_world_writable() -> None:
    """Lets no file of this process be made that everybody may write to.

    What else a umask says stays: 077 keeps files to their owner, and 000 or 002 lets a
    group write, as volumes that are shared by a group need.
    """
    os.umask(os.umask(0o077) | stat.S_IWOTH)


def remove(path: Path) -> None:
    """Removes a file, or a folder with all in it; a link is unlinked, never followed.

    Whatever can be removed is removed, even if something else in the folder cannot.

    Raises:
        OSError: The first thing that cannot be removed, with its whole path. What has
            vanished in the meantime is not an error.
    """
    problems: list[OSError] = []

    def note(_act: Any, name: str, problem: Any) -> None:
        error = problem[1]
        if not isinstance(error, FileNotFoundError):
            error.filename = name  # rmtree knows only the name in its folder
            problems.append(error)

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=note)
    else:
        path.unlink(missing_ok=True)
    if problems:
        raise problems[0]
