"""Settings of all tests: seeds, Hypothesis, a cache folder, and MovieLens."""

import gc
import multiprocessing
import os
import random
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from components import beam_methods

# Before TensorFlow is imported. Models of tests are so small that a second thread for
# an operation costs more than it saves: a tenth of the CPU time of a training.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

# On shared cores, the time that an example takes means nothing.
_NO_CLOCK = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
}
hypothesis.settings.register_profile("explore", **_NO_CLOCK)
hypothesis.settings.register_profile("ci", derandomize=True, **_NO_CLOCK)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "explore")

DATA_DIR = Path(__file__).parents[2] / "shared" / "data"

# The process that workers are forked from keeps the imports that it was started with.
# If a test of Beam's workers starts it first, those of a run import TFX anew, each.
multiprocessing.set_forkserver_preload(["pipeline.runs.worker_imports"])

# What takes minutes, the longest first, below tests/. A worker of xdist takes one
# file after the other: a long one at the end leaves the other worker nothing to do.
LONGEST_FIRST = (
    "pipeline/serving/test_judged_as_served.py",
    "trainer_modules/models/test_every_model.py",
    "e2e/test_tune.py",
    "trainer_modules/test_events.py",
    "trainer_modules/test_training.py",
    "pipeline/runs/test_side_by_side.py",
    "e2e/test_docs.py",
    "trainer_modules/test_warm_start.py",
    "pipeline/datasets/databases/test_delta.py",
    "test_setup.py",
    "e2e",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the files of ``LONGEST_FIRST`` to the front; others keep their order."""
    folders = [Path(__file__).parent / name for name in LONGEST_FIRST]

    def place(item: pytest.Item) -> int:
        return next(
            (n for n, path in enumerate(folders) if item.path.is_relative_to(path)),
            len(folders),
        )

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Spares the collector what the test modules have imported, as a run does.

    It would walk a million objects again and again: a twentieth of the time of
    Transform and of a training.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Seeds all generators, so that the order of the tests does not matter."""
    random.seed(0)
    np.random.seed(0)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _beam_methods_inspected_once() -> None:
    """Makes Beam inspect methods once, as a run does: an eighth of Transform's time."""
    if core := sys.modules.get("apache_beam.transforms.core"):
        beam_methods.inspect_once(core)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Gives the tests a cache folder apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARQUEE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def movielens_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with GroupLens's ml-100k/ and ml-1m/; skips without them."""
    source = Path(os.environ.get("MARQUEE_DATA_DIR") or DATA_DIR)
    archives = [source / "ml-100k.zip", source / "ml-1m.zip"]
    missing = [archive.name for archive in archives if not archive.is_file()]
    if missing:
        # MovieLens may not be redistributed, so it is not in the repository.
        pytest.skip(
            f"{' and '.join(missing)} not found: put the archives from GroupLens in a "
            "folder and set MARQUEE_DATA_DIR to it"
        )
    folder = tmp_path_factory.mktemp("movielens")
    for archive in archives:
        with zipfile.ZipFile(archive) as members:
            members.extractall(folder)
    return folder
