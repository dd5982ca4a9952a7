"""MovieLens's releases: where to get them, and how to identify them.

Harper and Konstan 2015, "The MovieLens Datasets: History and Context",
https://doi.org/10.1145/2827872. They may not be redistributed, so everybody downloads
them from GroupLens.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import requests

from components import content_hash
from pipeline.datasets.archives import Progress, download, unpack
from pipeline.datasets.errors import DatasetError

SERVER = "https://files.grouplens.org/datasets/movielens"

# Largest accepted growth when an archive is unpacked. ml-1m grows 4.2 times.
MAX_UNPACKED_RATIO = 10


@dataclass(frozen=True)
class Release:
    """One archive of GroupLens, ``<name>.zip``.

    Attributes:
        md5: MD5 of the archive, as published in ``<name>.zip.md5`` beside it.
        num_bytes: Size of the archive in bytes.
        files: Files that the pipeline reads; the ratings come first.
        file_sha256: File → its SHA-256, which also identifies the files of an archive
            that was packed again. Computed from archives with GroupLens's MD5, because
            an MD5 can be forged for a new file, though not for a published one.
        folder: Name of the folder in the archive, if it is not the release's name.
    """

    md5: str
    num_bytes: int
    files: tuple[str, ...]
    file_sha256: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""


_CSV_FILES = ("ratings.csv", "movies.csv")
_DAT_FILES = ("ratings.dat", "movies.dat")

RELEASES: Mapping[str, Release] = {
    "ml-100k": Release(
        md5="0e33842e24a9c977be4e0107933c0723",
        num_bytes=4_924_029,
        files=("u.data", "u.item", "u.user", "u.genre"),
        file_sha256={
            "u.data": (
                "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"
            ),
            "u.item": (
                "6dd287831559152bea892eb27694a492ff14926ac5f7a16e5f8c4968e6fe13c3"
            ),
            "u.user": (
                "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c"
            ),
            "u.genre": (
                "9757e0d3e6b298159a80dd48eaf938114690e911e39af97a76949ef1663610bb"
            ),
        },
    ),
    "ml-1m": Release(
        md5="c4d9eecfca2ab87c1945afe126590906",
        num_bytes=5_917_549,
        files=(*_DAT_FILES, "users.dat"),
        file_sha256={
            "ratings.dat": (
                "506d64ca44484487c11dc2d9a28de5c54948213e6b96285e298afe28d6ea4e0f"
            ),
            "movies.dat": (
                "0140fc2356357c1a851d0f52e893a1e4d3696df632c4141cea8d5bc3d621f0b9"
            ),
            "users.dat": (
                "1dc3a95300cb19f7c10e027daf29b8cdf1d908dab65b5edfb45950aa389a10a3"
            ),
        },
    ),
    "ml-10m": Release(
        md5="ce571fd55effeba0271552578f2648bd",
        num_bytes=65_566_137,
        files=_DAT_FILES,
        folder="ml-10M100K",
    ),
    "ml-20m": Release(
        md5="cd245b17a1ae2cc31bb14903e1204af3",
        num_bytes=198_702_078,
        files=_CSV_FILES,
    ),
    "ml-25m": Release(
        md5="6b51fb2759a8657d3bfcbfc42b592ada",
        num_bytes=261_978_986,
        files=_CSV_FILES,
    ),
    "ml-32m": Release(
        md5="d472be332d4daa821edc399621853b57",
        num_bytes=238_950_008,
        files=_CSV_FILES,
    ),
}


def fetch(name: str, cache: Path, data_dir: Path | None, progress: Progress) -> Path:
    """Returns the folder with a release's files, downloading them if needed.

    Args:
        name: One of ``RELEASES``.
        cache: Folder for downloads and unpacked releases.
        data_dir: Folder that may contain archives or unpacked releases already.
        progress: Called with the bytes downloaded and unpacked.

    Raises:
        DatasetError: If a local archive is not the release, or the release cannot be
            downloaded.
    """
    release = RELEASES[name]
    unpacked = cache / name
    if _has_files(unpacked, release):
        return unpacked
    if data_dir is not None and (folder := _unpacked_in(data_dir, name)):
        return folder

    archive_name = f"{name}.zip"
    archives = [folder / archive_name for folder in (data_dir, cache) if folder]
    archive = next((path for path in archives if path.exists()), None)
    if archive is None:
        archive = cache / archive_name
        _download(name, archive, progress)

    original = content_hash.of_file(archive, "md5") == release.md5
    if not original and not release.file_sha256:
        raise DatasetError(
            f"{archive}: its MD5 is not {release.md5}, which GroupLens published. "
            f"Delete it and get {SERVER}/{archive_name} again."
        )
    shutil.rmtree(unpacked, ignore_errors=True)  # It is incomplete.
    unpack(
        archive,
        unpacked,
        landmark=release.files[0],
        max_bytes=MAX_UNPACKED_RATIO * release.num_bytes,
        check=lambda folder: _check_files(folder, archive, name),
        progress=progress,
    )
    return unpacked


def _unpacked_in(data_dir: Path, name: str) -> Path | None:
    """Returns the folder of an unpacked release in ``data_dir``; None if there is none.

    Raises:
        DatasetError: If ``data_dir`` is not a folder, or its files are not the release.
    """
    if not data_dir.is_dir():
        raise DatasetError(
            f"MARQUEE_DATA_DIR names {data_dir}, which is not a folder. "
            "Set it to the folder that contains MovieLens archives, or unset it."
        )
    release = RELEASES[name]
    for folder in (data_dir / name, data_dir / (release.folder or name)):
        if _has_files(folder, release):
            _check_files(folder, folder, name)
            return folder
    return None


def _has_files(folder: Path, release: Release) -> bool:
    return all((folder / file).is_file() for file in release.files)


def _check_files(folder: Path, origin: Path, name: str) -> None:
    """Refuses files whose published checksum is known and differs.

    Raises:
        DatasetError: If a file in ``folder`` differs or is missing.
    """
    for file, sha256 in RELEASES[name].file_sha256.items():
        path = folder / file
        found = content_hash.of_file(path) if path.is_file() else "none: it is missing"
        if found != sha256:
            raise DatasetError(
                f"{origin}: not {name} as GroupLens published it. SHA-256 of {file} is "
                f"{found}, expected {sha256}. Get {SERVER}/{name}.zip again."
            )


def _download(name: str, archive: Path, progress: Progress) -> None:
    url = f"{SERVER}/{name}.zip"
    try:
        download(url, archive, RELEASES[name].md5, progress)
    except requests.RequestException as error:
        raise DatasetError(
            f"{name} is not on this machine and cannot be downloaded "
            f"({type(error).__name__}): get {url} "
            f"({RELEASES[name].num_bytes / 1e6:.0f} MB) and put it into the folder "
            f"{archive.parent}, or into the folder named by MARQUEE_DATA_DIR."
        ) from error
