"""Makes a model's files available locally, wherever its artifact is stored."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tfx.dsl.io import fileio
from tfx.types import Artifact
from tfx.utils import io_utils, path_utils


@contextlib.contextmanager
def local_model(model: Artifact) -> Iterator[Path]:
    """Yields the local folder of a SavedModel: a temporary copy for an object store.

    The folder does not exist if no model was chosen.
    """
    folder = path_utils.serving_model_path(model.uri)
    if "://" not in folder:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "model")
        if fileio.isdir(folder):
            io_utils.copy_dir(folder, str(copy))
        yield copy
