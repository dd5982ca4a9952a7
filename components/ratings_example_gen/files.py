"""Lists and opens input files, on this machine or a remote one.

Paths with a scheme are read with a module of ``stores``, imported when one is read, so
that ``marquee data PATH`` answers without importing Beam.

Only regular files are opened. Whatever else a folder can contain (pipes, sockets,
devices, broken links) is refused by name, because opening it could block forever and
leaving it out could lose ratings silently.
"""

import errno
import fnmatch
import glob
import importlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.input_errors import BadInputError, fatal
from components.ratings_example_gen.stores.store import Store, Stored

_STORES = "components.ratings_example_gen.stores"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_MOVE_IT = (
    "If it does not belong to the data, remove it, or rename it to begin with a dot or "
    "an underscore: such files are ignored."
)


def is_remote(path: str) -> bool:
    """Returns whether a path names an object in a remote store."""
    return "://" in path


def open_binary(path: str) -> IO[bytes]:
    """Opens a file for reading, seekable, without unpacking it.

    Raises:
        BadInputError: If it is not a regular file, or cannot be reached.
    """
    if not is_remote(path):
        status_of(path)
        with _naming(path):
            return open(path, "rb")
    with _reading(path) as store:
        return store.open(path)


def status_of(path: str) -> os.stat_result:
    """Returns the status of a regular local file, without opening it.

    Raises:
        BadInputError: If it is a folder, a pipe, a socket or a device, or cannot be
            reached.
    """
    with _naming(path):
        status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "not a regular file")
        raise fatal(
            path,
            input_errors.NOT_A_FILE,
            f"this is {kind}; only regular files are read",
            f"Save its content to a regular file and name that. {_MOVE_IT}",
        )
    return status


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Turns operating system errors about a path into errors that name it.

    Raises:
        BadInputError: If the file is missing, a bad link or not permitted. Other errors
            of the operating system (a failing disk) are passed on.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(path):
            what = f"a broken symbolic link to {os.readlink(path)}"
            raise _bad_link(path, what) from error
        raise fatal(
            path,
            input_errors.UNREADABLE_FILE,
            "there is no such file or folder",
            "Check the path. If it existed when the run started, run again once "
            "the data no longer changes.",
        ) from error
    except PermissionError as error:
        raise fatal(
            path,
            input_errors.UNREADABLE_FILE,
            "permission denied",
            "Give the user of this process permission to read it; a folder also needs "
            "permission to search.",
        ) from error
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise _bad_link(path, "part of a loop of symbolic links") from error


def _bad_link(path: str, what: str) -> BadInputError:
    return fatal(
        path,
        input_errors.NOT_A_FILE,
        f"this is {what}",
        f"Fix the link. {_MOVE_IT}",
    )


def size_and_time(path: str) -> tuple[int, float]:
    """Returns a file's size in bytes and the time of its last change, in seconds UTC.

    Raises:
        BadInputError: If it is not a regular file, or cannot be reached.
    """
    if not is_remote(path):
        status = status_of(path)
        return status.st_size, status.st_mtime
    found = _at(path)
    if found is None:
        raise fatal(
            path,
            input_errors.UNREADABLE_FILE,
            "there is no such object",
            "Run again once the data no longer changes.",
        )
    return found.size, found.time


def list_files(base: str, pattern: str = "") -> list[str]:
    """Returns the files at a path, or those that match a glob below it, sorted.

    Folders are walked recursively, and links to folders are followed. Names that begin
    with ``.`` or ``_`` are ignored: other programs leave such files beside their data.

    Args:
        base: A file or a folder, local or remote.
        pattern: Glob of names in ``base``; empty for all of them.

    Raises:
        BadInputError: If something there is not a file, or cannot be read.
    """
    if is_remote(base):
        with _reading(base) as store:
            below = [found.path for found in store.below(base)]
            # A store cannot tell beforehand whether this is an object or a folder.
            itself = [] if pattern or store.at(base) is None else [base]
        names = [path.removeprefix(base).strip("/").split("/") for path in below]
        return itself + sorted(
            path
            for path, parts in zip(below, names, strict=True)
            if all(map(_is_data, parts))
            and (not pattern or fnmatch.fnmatchcase(parts[0], pattern))
        )
    roots = [base]
    if pattern and os.path.isdir(base):
        found = glob.glob(pattern, root_dir=base)
        wanted = [n for n in found if _is_data(n) or not _is_data(pattern)]
        roots = [os.path.join(base, name) for name in wanted]
    return sorted({file for root in roots for file in _walk(root, frozenset())})


def _walk(path: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    """Yields a file, or all files below a folder.

    Args:
        path: A local file or folder.
        above: Device and inode of each folder that leads to it.
    """
    if not os.path.isdir(path):
        status_of(path)
        yield path
        return
    with _naming(path):
        status = os.stat(path)
        with os.scandir(path) as entries:
            below = [entry for entry in entries if _is_data(entry.name)]
    here = (status.st_dev, status.st_ino)
    if here in above:
        raise _bad_link(path, "a symbolic link to a folder that contains it")
    for entry in below:
        if entry.is_file(follow_symlinks=False):  # known from scandir: no system call
            yield entry.path
        else:
            yield from _walk(entry.path, above | {here})


def list_folder(folder: str) -> tuple[list[str], list[str]]:
    """Returns the names of the folders and of the files directly in a folder, sorted.

    Names that begin with ``.`` or ``_`` are ignored.

    Raises:
        BadInputError: If something there is not a file, or cannot be read.
    """
    if is_remote(folder):
        with _reading(folder) as store:
            folders, objects = store.level(folder)
        names = [found.path.rpartition("/")[2] for found in objects]
        return sorted(filter(_is_data, folders)), sorted(filter(_is_data, names))
    with _naming(folder), os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if _is_data(entry.name))
    inside = [name for name in found if os.path.isdir(os.path.join(folder, name))]
    files = [name for name in found if name not in set(inside)]
    for name in files:
        status_of(os.path.join(folder, name))
    return inside, files


def neighbours(path: str) -> list[str]:
    """Returns the other files in the folder of a file, sorted.

    Whatever is not a file is ignored, because it was not declared as data.

    Raises:
        BadInputError: If the folder cannot be read.
    """
    folder = os.path.dirname(path)
    if is_remote(path):
        with _reading(folder) as store:
            found = [stored.path for stored in store.level(folder)[1]]
    else:
        with _naming(folder), os.scandir(folder or ".") as entries:
            names = [entry.name for entry in entries if entry.is_file()]
        found = [os.path.join(folder, name) for name in names]
    return sorted(other for other in found if other != path and _is_data(other))


def exists(path: str) -> bool:
    """Returns whether a file exists."""
    return _at(path) is not None if is_remote(path) else os.path.exists(path)


def has_objects(place: str) -> bool:
    """Returns whether there is an object at or below an address.

    Raises:
        BadInputError: If the store cannot be read.
    """
    with _reading(place) as store:
        return next(store.below(place), None) is not None or bool(store.at(place))


def stored_checksum(path: str) -> str:
    """Returns the checksum that a remote store keeps for a file, without reading it."""
    with _reading(path) as store:
        return store.checksum(path)


def _at(path: str) -> Stored | None:
    with _reading(path) as store:
        return store.at(path)


@contextmanager
def _reading(path: str) -> Iterator[Store]:
    """Yields the store of a path, and turns its errors into errors that name the path.

    Raises:
        BadInputError: If the store cannot be read.
    """
    scheme = path.partition("://")[0]
    name = scheme if scheme in ("s3", "hdfs") else "beam"
    store = cast(Store, importlib.import_module(f"{_STORES}.{name}"))
    try:
        yield store
    except store.ERRORS as error:
        details = getattr(error, "exception_details", None) or {}
        reason = next(iter(details.values()), error)
        raise fatal(
            path,
            input_errors.UNREADABLE_FILE,
            " ".join(str(reason).split()),
            "Check the address, and the variables that the store's client reads: "
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL for s3://, "
            "GOOGLE_APPLICATION_CREDENTIALS for gs://, HADOOP_USER_NAME for hdfs://.",
        ) from error


def _is_data(path: str) -> bool:
    return os.path.basename(path)[:1] not in ("", ".", "_")
