"""RatingsExampleGen: rating logs in, one Example per user and split out.

The files, in the order in which the data meets them:

1. ``component`` with its ``driver`` and ``executor``: what TFX calls. Only these,
   ``execution_input`` (what an execution is to read) and ``recorded_reading`` (how an
   earlier run read the same spans) import TFX.
2. ``settings``: what, beside the files, determines the output.
3. ``spans``: ratings that arrive in dated or numbered folders.
4. ``files``, ``parts``, ``part_bytes``: list and open files and members of archives;
   ``damaged_files`` and ``input_errors`` name what is wrong with them.
5. ``recognise``: which files hold ratings, and how they are written (``dialect``).
6. ``side_files``: the files of items and users beside them.
7. ``read``: blocks of files to checked ratings; ``json_objects`` parses JSON lines.
8. ``ingest``: the Beam pipeline, with its ``ingest_steps``, from blocks to Examples.
9. ``write``: users grouped, split and written as Examples.
10. ``ingest_findings``, ``counts``: what was read and left out, in ``counts.json``.

``fingerprints`` detects files that changed. ``inspection`` is ``marquee data``: it
reads everything and writes nothing; ``pair_counts`` counts for it.

What is exported here imports no TFX, and pyarrow only when something is read.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from components.ratings_example_gen.input_errors import BadInputError, Problem
from components.ratings_example_gen.settings import Settings

if TYPE_CHECKING:
    from components.ratings_example_gen.inspection import DataSummary
    from components.ratings_example_gen.recognise.layout import Layout

__all__ = ["BadInputError", "Problem", "Settings", "inspect", "recognise_ratings"]


def recognise_ratings(path: Path | str, settings: Settings) -> "Layout":
    """Returns how the ratings at a path will be read; reads only first lines.

    Args:
        path: A file, a folder, or a folder of spans; text in an object store.
        settings: How they are read; if they name spans, only these are recognised.

    Raises:
        BadInputError: If nothing is recognised there.
    """
    from components.ratings_example_gen import files, spans
    from components.ratings_example_gen.recognise.recognition import recognise_for

    if settings.spans:
        paths = spans.paths_of(str(path), settings.spans)
    else:
        paths = files.list_files(str(path))
    return recognise_for(settings, paths, str(path))


def inspect(path: Path | str, settings: Settings | None = None) -> "DataSummary":
    """Reads the ratings at a path to their end; see ``inspection.inspect_path``."""
    from components.ratings_example_gen.inspection import inspect_path

    return inspect_path(path, settings)
