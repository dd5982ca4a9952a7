"""Lists, opens and fingerprints input files, on this machine or a remote one.

Paths with a scheme (``gs://``, ``s3://``, ``hdfs://``) go through Beam's
filesystems, which every worker has; plain paths need no Beam at all, so that
``marquee data PATH`` answers without importing it.
"""

import glob
import hashlib
import os
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from apache_beam.io.filesystems import FileSystems


def _is_remote(path: str) -> bool:
    return "://" in path


def open_binary(path: str) -> IO[bytes]:
    """Opens a file for reading, seekable, without unpacking it."""
    if not _is_remote(path):
        return open(path, "rb")
    from apache_beam.io.filesystem import CompressionTypes

    return cast(
        IO[bytes],
        _beam().open(path, compression_type=CompressionTypes.UNCOMPRESSED),
    )


def size_and_time(path: str) -> tuple[int, float]:
    """Returns a file's length in bytes and when it was last changed."""
    if not _is_remote(path):
        status = os.stat(path)
        return status.st_size, status.st_mtime
    metadata = _beam().match([path])[0].metadata_list[0]
    return metadata.size_in_bytes, metadata.last_updated_in_seconds or 0.0


def list_files(base: str, pattern: str = "") -> list[str]:
    """Returns the files that a path, or a glob below it, names, in sorted order.

    Folders are walked to the bottom. Names that begin with ``.`` or ``_`` are
    left out: they are the marks that other programs leave beside their parts.
    """
    if _is_remote(base):
        root = _beam().join(base, pattern) if pattern else base.rstrip("/")
        matches = _beam().match([root, root + "/**"])
        files = [m.path for match in matches for m in match.metadata_list]
    else:
        found = glob.glob(pattern, root_dir=base) if pattern else [""]
        roots = [os.path.join(base, name) if name else base for name in found]
        files = [root for root in roots if os.path.isfile(root)]
        for root in roots:
            for folder, subfolders, names in os.walk(root):
                subfolders[:] = [name for name in subfolders if name[0] not in "._"]
                files += [os.path.join(folder, name) for name in names]
    return sorted(path for path in set(files) if _is_data(path))


def list_folder(folder: str) -> tuple[list[str], list[str]]:
    """Returns the names of the folders and of the files right below a folder, sorted.

    Names that begin with ``.`` or ``_`` are left out.
    """
    if _is_remote(folder):
        # An object store has no folders, only names with slashes.
        base = folder.rstrip("/") + "/"
        [match] = _beam().match([f"{base}**"])
        below = [m.path.removeprefix(base) for m in match.metadata_list]
        folders = {path.partition("/")[0] for path in below if "/" in path}
        names = {path for path in below if "/" not in path}
    else:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_dir() for entry in entries}
        folders = {name for name, is_folder in found.items() if is_folder}
        names = found.keys() - folders
    return sorted(filter(_is_data, folders)), sorted(filter(_is_data, names))


def exists(path: str) -> bool:
    """Whether there is such a file."""
    if not _is_remote(path):
        return os.path.exists(path)
    return bool(_beam().exists(path))


def _beam() -> type["FileSystems"]:
    """Beam's filesystems: S3's has to have options, which a pipeline brings along."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    if FileSystems._pipeline_options is None:  # drivers and checks make no pipeline
        FileSystems.set_options(PipelineOptions([]))
    return FileSystems


def _is_data(path: str) -> bool:
    return os.path.basename(path)[:1] not in ("", ".", "_")


def fingerprint(paths: Iterable[str]) -> str:
    """Returns a hash that changes when a file is added, removed or edited.

    It covers names, lengths and times of change, not the bytes: the bytes of
    100 million ratings would take longer to hash than the rest of the driver.
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        size, changed = size_and_time(path)
        digest.update(f"{path}\0{size}\0{changed:.6f}\n".encode())
    return digest.hexdigest()
