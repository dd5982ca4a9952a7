"""Searches all files of a folder for texts, whatever they are packed in.

It uses no code of the packages: gzip, zip and Parquet are unpacked, and databases are
read, by libraries of their own; TFRecords, protocol buffers and SavedModels are not
compressed beyond that.
"""

import contextlib
import gzip
import io
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq


def places(folder: Path, text: str) -> set[str]:
    """Returns the paths, below a folder, of all files that contain a text."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(text.encode() in data for data in contents(path))
    }


def contents(path: Path) -> Iterator[bytes]:
    """Yields a file's bytes, and what they are once unpacked."""
    data = path.read_bytes()
    yield str(path).encode()
    yield from unpacked(data)
    if data.startswith(b"SQLite format 3"):
        with contextlib.closing(sqlite3.connect(path)) as store:
            yield "\n".join(store.iterdump()).encode()


def unpacked(data: bytes) -> Iterator[bytes]:
    """Yields bytes, and what they are once unpacked, at any depth."""
    yield data
    if data.startswith(b"\x1f\x8b"):
        with contextlib.suppress(EOFError, zlib.error):
            yield from unpacked(gzip.decompress(data))
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from unpacked(archive.read(name))
    if data.startswith(b"PAR1"):
        file = pq.ParquetFile(io.BytesIO(data))
        yield repr((file.read().to_pydict(), file.schema_arrow.metadata)).encode()
