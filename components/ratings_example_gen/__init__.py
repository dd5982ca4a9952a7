"""Ratings in, one Example per user and split out.

The component is in ``component`` and its executor in ``executor``; they import
TFX. What is exported here does not, and pyarrow only when something is read.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from components.ratings_example_gen.input_errors import BadInputError, Problem
from components.ratings_example_gen.settings import Settings

if TYPE_CHECKING:
    from components.ratings_example_gen.inspection import DataSummary
    from components.ratings_example_gen.recognise.layout import Layout

__all__ = ["BadInputError", "Problem", "Settings", "inspect", "recognise_ratings"]


def recognise_ratings(path: Path, settings: Settings) -> "Layout":
    """Returns how the ratings at a path will be read; reads first lines alone.

    Args:
        path: A file, a folder, or a folder of spans.
        settings: How they are read; of spans, those that it names.

    Raises:
        BadInputError: When nothing is recognised there.
    """
    from components.ratings_example_gen import files, spans
    from components.ratings_example_gen.recognise.recognition import recognise_for

    if settings.spans:
        paths = spans.paths_of(str(path), settings.spans)
    else:
        paths = files.list_files(str(path))
    return recognise_for(settings, paths, str(path))


def inspect(path: Path, settings: Settings | None = None) -> "DataSummary":
    """Returns what ``inspection.inspect_path`` finds, which see."""
    from components.ratings_example_gen.inspection import inspect_path

    return inspect_path(path, settings)
