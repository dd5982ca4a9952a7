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

from pipeline.datasets.archives import Progress, download, md5_of, unpack
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
    file_md5: Mapping[str, str] = field(default_factory=dict)
    """By which the files are known when the archive was packed again."""
    folder: str = ""
    """Name of the folder in the archive where it is not the release's."""


_CSV_FILES = ("ratings.csv", "movies.csv")
_DAT_FILES = ("ratings.dat", "movies.dat")

RELEASES: Mapping[str, Release] = {
    "ml-100k": Release(
        md5="0e33842e24a9c977be4e0107933c0723",
        num_bytes=4_924_029,
        files=("u.data", "u.item", "u.user", "u.genre"),
        file_md5={
            "u.data": "6e47046882bad158b0efbb84cd5cb987",
            "u.item": "2b6d1756f16d2ef8f83156dde7be4e69",
            "u.user": "1b53539edc13caad0282c8500608a319",
            "u.genre": "a7578bdb37758741ae9429d2c736af18",
        },
    ),
    "ml-1m": Release(
        md5="c4d9eecfca2ab87c1945afe126590906",
        num_bytes=5_917_549,
        files=(*_DAT_FILES, "users.dat"),
        file_md5={
            "ratings.dat": "a89aa3591bc97d6d4e0c89459ff39362",
            "movies.dat": "ef9fd9ff8d1b33faf73e2122c371e910",
            "users.dat": "681c0711d0d4548cd3d4718a49c2dcd8",
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
        DatasetError: an archive at hand is not the release, or it cannot be had.
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

    original = md5_of(archive) == release.md5
    if not original and not release.file_md5:
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
    for file, md5 in RELEASES[name].file_md5.items():
        path = folder / file
        found = md5_of(path) if path.is_file() else "none: it is missing"
        if found != md5:
            raise DatasetError(
                f"{origin}: not {name} as GroupLens published it. MD5 of {file} is "
                f"{found}, should be {md5}. Get {SERVER}/{name}.zip again."
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
