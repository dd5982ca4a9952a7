"""Hashes the contents of files, to find out whether a file has changed.

SHA-256 protects what must not be forged: models, outputs and accepted spans. It takes
7 % of the time of reading ratings. The cache key of an input, which is computed twice
in each run, uses a faster hash, at about 1 % (``make bench-fingerprint`` measures it);
forging it only makes one's own change go unnoticed.
"""

import hashlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

import google_crc32c

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


def fast_of_open_file(file: IO[bytes]) -> str:
    """Returns a digest of the rest of an open file that detects accidental changes.

    It is computed from the CRC-32C of each MiB. A change that moves the bytes behind it
    changes many of these. A change that keeps the length is always detected if it spans
    at most 4 bytes, and missed once in 4 billion times if it spans more.
    """
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(b"%d:%d\n" % (len(block), google_crc32c.value(block)))
    return digest.hexdigest()


def of_file(path: str | Path, algorithm: str = "sha256") -> str:
    """Returns the hexadecimal digest of a local file.

    Args:
        path: Path of the file.
        algorithm: ``md5`` if a publisher gives nothing better.
    """
    with open(path, "rb") as file:
        return of_open_file(file, algorithm)
