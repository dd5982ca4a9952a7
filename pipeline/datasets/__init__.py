"""Where ratings come from: the generated sample, MovieLens, or a person's own files."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from pipeline.datasets import sample

NAMES = ("sample", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m")

Progress = Callable[[str, int, int | None], None]
"""Called with a description, how much is done and how much there is, if known."""


class DatasetError(ValueError):
    """No such data set, or it cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """Ratings on this machine: a name, and the folder or file that holds them."""

    name: str
    folder: Path


def resolve(source: str, progress: Progress) -> Dataset:
    """The data set of that name, or the file or folder at that path."""
    if source == "sample":
        cache = os.environ.get("MARQUEE_CACHE_DIR")
        root = Path(cache) if cache else platformdirs.user_cache_path("marquee")
        folder = root / f"sample-{sample.VERSION}"
        if not folder.exists():
            folder.mkdir(parents=True)
            sample.write_sample(folder)
        return Dataset(source, folder)
    if Path(source).exists():
        return Dataset(source, Path(source))
    raise DatasetError(f"{source}: no such file, folder or data set.")
