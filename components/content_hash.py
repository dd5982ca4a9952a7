"""Hashes the bytes of files, to decide whether a file is still the one it was.

SHA-256, because the hashes also guard files that other people can write: whoever
can choose the bytes must not be able to keep the hash. Processors with SHA
instructions hash about 2 GB/s, which is below 5 % of the time that it takes to
parse the same ratings (``make bench-reading`` measures both).
"""

import hashlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash as Digest

_BLOCK_BYTES = 1 << 20


def update(digest: "Digest", file: IO[bytes]) -> None:
    """Feeds the rest of an open file to a digest, in constant memory."""
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)


def of_open_file(file: IO[bytes], algorithm: str = "sha256") -> str:
    """Returns the hexadecimal digest of the rest of an open file."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    update(digest, file)
    return digest.hexdigest()


def of_file(path: str | Path, algorithm: str = "sha256") -> str:
    """Returns the hexadecimal digest of a local file.

    Args:
        path: A file.
        algorithm: ``md5`` where a publisher gives nothing better.
    """
    with open(path, "rb") as file:
        return of_open_file(file, algorithm)
