"""MovieLens's releases: from where they come, and how to know them.

Harper and Konstan 2015, "The MovieLens Datasets: History and Context",
https://doi.org/10.1145/2827872. They may not be redistributed, so each person gets
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

# Refuses what grows further. ml-1m unpacks to 4.2 times its archive's size.
MAX_UNPACKED_RATIO = 10


@dataclass(frozen=True)
class Release:
    """One archive of GroupLens's, ``<name>.zip``."""

    md5: str
    """Of the archive, as published in ``<name>.zip.md5`` beside it."""
    num_bytes: int
    """Of the archive."""
    files: tuple[str, ...]
    """What the pipeline reads; the ratings first."""
    file_sha256: Mapping[str, str] = field(default_factory=dict)
    """Of the files, which are known by it when the archive was packed again too.

    Taken from files that had GroupLens's MD5: that alone can be forged for a file of
    one's own making, though not for one that is published.
    """
    folder: str = ""
    """Name of the folder in the archive where it is not the release's."""


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
    """The folder with a release's files: unpacked before, at hand, or downloaded.

    Args:
        name: One of `RELEASES`.
        cache: Folder for what is downloaded and unpacked.
        data_dir: Folder in which archives or unpacked releases may be already.
        progress: Told the bytes downloaded and unpacked.

    Raises:
        DatasetError: An archive at hand is not the release, or it cannot be had.
    """
    release = RELEASES[name]
    unpacked = cache / name
    if _has_files(unpacked, release):
        return unpacked
    if data_dir is not None:
        if not data_dir.is_dir():
            raise DatasetError(
                f"MARQUEE_DATA_DIR names {data_dir}, which is no folder. "
                "Set it to the folder that holds MovieLens archives, or unset it."
            )
        for folder in (data_dir / name, data_dir / (release.folder or name)):
            if _has_files(folder, release):
                _check_files(folder, folder, name)
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
    shutil.rmtree(unpacked, ignore_errors=True)  # files are missing in it
    unpack(
        archive,
        unpacked,
        landmark=release.files[0],
        max_bytes=MAX_UNPACKED_RATIO * release.num_bytes,
        check=lambda folder: _check_files(folder, archive, name),
        progress=progress,
    )
    return unpacked


def _has_files(folder: Path, release: Release) -> bool:
    return all((folder / file).is_file() for file in release.files)


def _check_files(folder: Path, origin: Path, name: str) -> None:
    """Raise unless the files in `folder` are GroupLens's, as far as that is known."""
    for file, sha256 in RELEASES[name].file_sha256.items():
        path = folder / file
        found = content_hash.of_file(path) if path.is_file() else "none: it is missing"
        if found != sha256:
            raise DatasetError(
                f"{origin}: not {name} as GroupLens published it. SHA-256 of {file} is "
                f"{found}, should be {sha256}. Get {SERVER}/{name}.zip again."
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
            f"{archive.parent}, or into the one that MARQUEE_DATA_DIR names."
        ) from error
