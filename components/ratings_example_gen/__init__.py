"""Ratings in, one Example per user and split out.

The component is in ``component`` and its executor in ``executor``; they import
TFX. What is exported here does not, and pyarrow only when something is read.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from components.ratings_example_gen.problems import BadInputError, Problem
from components.ratings_example_gen.settings import Settings

if TYPE_CHECKING:
    from components.ratings_example_gen.inspection import DataSummary

__all__ = ["BadInputError", "Problem", "Settings", "has_timestamps", "inspect"]


def has_timestamps(path: Path, settings: Settings) -> bool:
    """Whether the ratings at a path have a column of times; reads first lines alone.

    Raises:
        BadInputError: When nothing is recognised there.
    """
    from components.ratings_example_gen import files
    from components.ratings_example_gen.recognise.recognition import recognise

    paths = files.list_files(str(path))
    layout = recognise(paths, settings.columns, settings.declared, str(path))
    return layout.has_timestamps


def inspect(path: Path, settings: Settings | None = None) -> "DataSummary":
    """Returns what ``inspection.inspect_path`` finds, which see."""
    from components.ratings_example_gen.inspection import inspect_path

    return inspect_path(path, settings)
