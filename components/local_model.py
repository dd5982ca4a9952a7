"""A model's files on this machine, wherever its artifact lies."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tfx.dsl.io import fileio
from tfx.types import Artifact
from tfx.utils import io_utils, path_utils


@contextlib.contextmanager
def local_model(model: Artifact) -> Iterator[Path]:
    """The folder of the SavedModel; of an object store's a copy, while this is open.

    There is no such folder where nothing was chosen.
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
