"""Detects input files that changed.

A step's cache key contains a fingerprint of the bytes that it read, and a step that
reads files checks that they do not change meanwhile.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence

from components import content_hash
from components.ratings_example_gen import files, input_errors
from components.ratings_example_gen.input_errors import BadInputError, fatal


def fingerprint(paths: Sequence[str]) -> str:
    """Returns a hash that changes when a file is added, removed, renamed or edited.

    It covers the bytes of local files, regardless of their sizes and times. For remote
    files it covers what their store keeps: the checksum (the ETag of S3 and Azure, the
    checksum of GCS and HDFS), the size and the time of the last change, because reading
    the bytes once more would double the traffic.

    Raises:
        BadInputError: If one of them cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        if files.is_remote(path):
            content = f"{files.stored_checksum(path)}\0{files.size_and_time(path)}"
        else:
            with files.open_binary(path) as file:
                content = content_hash.fast_of_open_file(file)
        digest.update(f"{path}\0{content}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def unchanged(paths: Sequence[str], expected: str | None = None) -> Iterator[None]:
    """Raises an error if files change while the block runs.

    Args:
        paths: The files that the block reads.
        expected: Their fingerprint before the block, if it was computed. Otherwise, a
            change is detected by the times, size or inode of local files.

    Raises:
        BadInputError: If a file changed or vanished; it replaces any error of the block
            that resulted from it.
    """
    before = {path: _state(path) for path in paths}
    try:
        yield
    except Exception as error:
        if changed := _changed(before):
            raise changed from error
        raise
    if changed := _changed(before):
        raise changed
    if expected is not None and fingerprint(paths) != expected:
        where = paths[0] if len(paths) == 1 else f"one of the {len(paths)} files read"
        raise _error(where)


def _changed(before: dict[str, tuple[int, ...]]) -> BadInputError | None:
    for path, state in before.items():
        if _state(path) != state:
            return _error(path)
    return None


def _state(path: str) -> tuple[int, ...]:
    """Returns attributes that change with a local file; its ctime cannot be set."""
    if files.is_remote(path):
        return ()
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _error(where: str) -> BadInputError:
    return fatal(
        where,
        input_errors.CHANGED_FILE,
        "the file changed while it was read; nothing of it was used",
        "Run again once the data no longer changes, or write new ratings to another "
        "folder and rename that when it is complete.",
    )
