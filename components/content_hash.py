"""Hashes the bytes of files, to decide whether a file is still the one it was.

SHA-256 guards what must not be forged: models, outputs, spans that were taken in. It
costs 7 % of what reading ratings costs. The cache key of an input, which is taken twice
in each run, has a faster hash, about 1 % (``make bench-fingerprint`` measures it): who
forges it has his own change ignored, and gains nothing.
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
    """Returns a digest of the rest of an open file that shows accidental changes.

    It is made of the CRC-32C of each MiB. A change that moves the bytes behind it
    changes many of them. One that keeps its length always shows where it spans at most
    4 bytes, and is missed once in 4 billion times where it spans more.
    """
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(b"%d:%d\n" % (len(block), google_crc32c.value(block)))
    return digest.hexdigest()


def of_file(path: str | Path, algorithm: str = "sha256") -> str:
    """Returns the hexadecimal digest of a local file.

    Args:
        path: A file.
        algorithm: ``md5`` where a publisher gives nothing better.
    """
    with open(path, "rb") as file:
        return of_open_file(file, algorithm)
