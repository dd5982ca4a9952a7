"""What all tests share: seeds, a quiet TensorFlow, hypothesis and MovieLens."""

import os
import random
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported

# The duration of an example means nothing on two shared cores.
_NO_CLOCK = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
}
hypothesis.settings.register_profile("explore", **_NO_CLOCK)
hypothesis.settings.register_profile("ci", derandomize=True, **_NO_CLOCK)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "explore")

DATA_DIR = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same numbers in every test, whichever ran before it."""
    random.seed(0)
    np.random.seed(0)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither fill nor trust the cache folder of the user who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARQUEE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def movielens_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ml-100k/ and ml-1m/, as GroupLens lays them out."""
    source = Path(os.environ.get("MARQUEE_DATA_DIR") or DATA_DIR)
    archives = [source / "ml-100k.zip", source / "ml-1m.zip"]
    missing = [archive.name for archive in archives if not archive.is_file()]
    if missing:
        # MovieLens may not be redistributed, so that no clone can bring it.
        pytest.skip(
            f"no {' nor '.join(missing)}: put MovieLens archives from GroupLens in a "
            "folder and name it in MARQUEE_DATA_DIR"
        )
    folder = tmp_path_factory.mktemp("movielens")
    for archive in archives:
        with zipfile.ZipFile(archive) as members:
            members.extractall(folder)
    return folder
