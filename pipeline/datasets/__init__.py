"""Resolves a source of ratings: the generated sample, MovieLens, or own files."""

import difflib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from components.ratings_example_gen import files
from pipeline.datasets import lake_tables, movielens, object_store
from pipeline.datasets.archives import Progress, whole_folder
from pipeline.datasets.errors import DatasetError

__all__ = ["NAMES", "Dataset", "DatasetError", "Progress", "resolve"]

SAMPLE = "sample"
NAMES = (SAMPLE, *movielens.RELEASES)


@dataclass(frozen=True)
class Dataset:
    """Ratings: a name, and the folder or file that holds them.

    Attributes:
        name: Name of the data set.
        folder: Path on this machine, or the address in an object store as text.
    """

    name: str
    folder: Path | str


def resolve(source: str, progress: Progress) -> Dataset:
    """Returns the data set of a name, or the file or folder at a path or an address.

    Named data sets are kept in ``cache_folder``. ``MARQUEE_DATA_DIR`` may name a folder
    that contains MovieLens already.

    Args:
        source: One of ``NAMES``, a path (``./sample`` is a path), or ``s3://…``.
        progress: Called with the progress of downloads and unpacking, in bytes.

    Raises:
        DatasetError: If the data does not exist or cannot be obtained.
        BadInputError: If the path is neither a folder nor a regular file, or an object
            store cannot be read.
    """
    if files.is_remote(source):
        place = object_store.existing(source)
        return Dataset(place, place)
    if source not in NAMES:
        return Dataset(*_own_data(source))
    data_dir = os.environ.get("MARQUEE_DATA_DIR")
    try:
        cache = cache_folder()
        if source == SAMPLE:
            return Dataset(source, _sample(cache))
        at_hand = Path(data_dir).absolute() if data_dir else None
        folder = movielens.fetch(source, cache, at_hand, progress)
    except OSError as error:
        raise DatasetError(
            f"{source}: {error}. Set MARQUEE_CACHE_DIR to a writable folder with "
            "free space."
        ) from error
    return Dataset(source, folder)


def cache_folder() -> Path:
    """Returns the folder for data that takes time to generate or download.

    ``MARQUEE_CACHE_DIR``, or the system's default (``XDG_CACHE_HOME``, ``~/.cache``).

    Raises:
        FileNotFoundError: If the user has no home folder.
    """
    named = os.environ.get("MARQUEE_CACHE_DIR")
    try:
        return Path(named or platformdirs.user_cache_path("marquee")).absolute()
    except RuntimeError as error:  # no HOME, and no entry in /etc/passwd
        raise FileNotFoundError(str(error)) from error


def _sample(cache: Path) -> Path:
    """Returns the folder of the sample, generated anew unless it is complete."""
    from pipeline.datasets import sample  # imports NumPy, which a record does not need

    folder = cache / f"{SAMPLE}-{sample.VERSION}"
    if not sample.is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        with whole_folder(folder) as temporary:
            sample.write_sample(temporary)
    return folder


def _own_data(source: str) -> tuple[str, Path]:
    path = Path(os.path.expanduser(source)).absolute()
    if source and path.is_dir():
        lake_tables.check_folder(path)
        return path.name, path
    if source and os.path.lexists(path):
        files.status_of(str(path))
        return path.name, path
    if re.search(r"[/\\.~]", source):
        raise DatasetError(
            f"{source}: no such file or folder. Give a path that exists, "
            f"or a data set's name: {', '.join(NAMES)}."
        )
    near = difflib.get_close_matches(source.lower(), NAMES, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise DatasetError(
        f"{source!r}: no such data set, file or folder. {hint}"
        f"Data sets: {', '.join(NAMES)}; or give a path."
    )
