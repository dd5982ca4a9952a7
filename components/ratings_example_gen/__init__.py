"""Ratings in, one Example per user and split out.

The component is in ``component`` and its executor in ``executor``; they import
TFX. What is exported here does not, and pyarrow only when something is read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.ratings_example_gen.problems import BadInputError, Problem
from components.ratings_example_gen.settings import Settings

if TYPE_CHECKING:
    from components.ratings_example_gen.inspection import DataSummary

__all__ = ["BadInputError", "Problem", "Settings", "has_timestamps", "inspect"]


def has_timestamps(
    path: Path,
    columns: Mapping[str, str],
    users: str | None = None,
    items: str | None = None,
) -> bool:
    """Whether the ratings at a path have a column of times; reads first lines alone.

    Raises:
        BadInputError: When nothing is recognised there.
    """
    from components.ratings_example_gen import files, formats

    paths = files.list_files(str(path))
    return formats.recognise(paths, columns, users, items).has_timestamps


def inspect(
    path: Path,
    columns: Mapping[str, str] | None = None,
    users: str | None = None,
    items: str | None = None,
    rating_min: float | None = None,
    rating_max: float | None = None,
) -> "DataSummary":
    """Returns what ``inspection.inspect_path`` finds, which see."""
    from components.ratings_example_gen.inspection import inspect_path

    return inspect_path(path, columns, users, items, rating_min, rating_max)
