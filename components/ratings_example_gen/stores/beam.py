"""Objects in a store that Beam has a filesystem for, such as ``gs://``."""

import os
from collections.abc import Iterator
from typing import IO, cast

import google.auth
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from components.ratings_example_gen.stores.store import Stored

ERRORS = (BeamIOError, google.auth.exceptions.GoogleAuthError, OSError, ValueError)
_GOOGLE_KEY = "GOOGLE_APPLICATION_CREDENTIALS"


def at(path: str) -> Stored | None:
    """Returns the object at an address; None if there is none."""
    return next(_match(path), None)


def below(folder: str) -> Iterator[Stored]:
    """Yields all objects whose address begins with that of a folder."""
    return _match(f"{folder.rstrip('/')}/**")


def level(folder: str) -> tuple[list[str], list[Stored]]:
    """Returns the names of the folders, and the objects, directly in a folder."""
    base = folder.rstrip("/") + "/"
    found = list(below(folder))
    names = [stored.path.removeprefix(base) for stored in found]
    folders = {name.partition("/")[0] for name in names if "/" in name}
    inside = [s for s, name in zip(found, names, strict=True) if "/" not in name]
    return sorted(folders), inside


def open(path: str) -> IO[bytes]:
    """Opens an object for reading, seekable, without unpacking it."""
    plain = CompressionTypes.UNCOMPRESSED
    return cast(IO[bytes], _filesystems().open(path, compression_type=plain))


def checksum(path: str) -> str:
    """Returns the checksum that the store keeps for an object."""
    return str(_filesystems().checksum(path))


def _match(pattern: str) -> Iterator[Stored]:
    if pattern.startswith("gs://") and (key := os.environ.get(_GOOGLE_KEY)):
        # Beam goes on without an account if this file is unreadable, and tries for
        # minutes.
        google.auth.load_credentials_from_file(key)  # type: ignore[no-untyped-call]
    [result] = _filesystems().match([pattern])
    return map(_stored, result.metadata_list)


def _stored(found: FileMetadata) -> Stored:
    time = found.last_updated_in_seconds or 0.0
    return Stored(found.path, found.size_in_bytes, time)


def _filesystems() -> type[FileSystems]:
    """Returns Beam's filesystems, with options before there is a pipeline."""
    if FileSystems._pipeline_options is None:  # Drivers and checks have no pipeline.
        FileSystems.set_options(PipelineOptions([]))
    return FileSystems
