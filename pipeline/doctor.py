"""Checks whether this machine can run the pipeline, and what is missing if not.

Each check performs the operation itself (opens a store, writes a file) rather than
inferring the result, and leaves no trace.
"""

import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs
from packaging.requirements import Requirement

from pipeline import machine
from pipeline.config.errors import ConfigError
from pipeline.runs import lock
from pipeline.runs.metadata_store import METADATA_FILE, open_metadata

# A run on MovieLens 1M takes at most 3 GB (docs/benchmarks.md); the rest is a reserve.
MIN_MEMORY = 4e9
MIN_DISK = 2e9
PACKAGES = (
    "tfx",
    "tensorflow",
    "tensorflow-addons",
    "tensorflow-model-analysis",
    "apache-beam",
    "kfp",
)
LOCK = Path(__file__).parent.parent / "requirements.txt"


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Attributes:
        name: What was checked.
        state: ``warn`` if the pipeline runs with limitations, ``fail`` if it does not.
        text: What was found and, unless the state is ``ok``, what to do.
    """

    name: str
    state: Literal["ok", "warn", "fail"]
    text: str


def examine(out: Path) -> Iterator[Check]:
    """Yields the results of all checks, one after the other.

    Args:
        out: Folder of the runs, which need not exist.
    """
    # The same as in pipeline.datasets, which would import numpy for this line.
    cache = Path(
        os.environ.get("MARQUEE_CACHE_DIR") or platformdirs.user_cache_path("marquee")
    )
    checks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("Python", check_python),
        ("packages", lambda: check_packages(_requirements())),
        ("versions", check_versions),
        ("TensorFlow", check_tensorflow),
        ("cores", check_cores),
        ("memory", check_memory),
        ("disk", lambda: check_disk(out)),
        ("output folder", lambda: check_writable("output folder", out)),
        ("cache folder", lambda: check_writable("cache folder", cache)),
        ("semaphores", check_semaphores),
        ("metadata store", lambda: check_metadata_store(out / METADATA_FILE)),
    )
    for name, check in checks:
        try:
            yield check()
        except Exception as error:  # a check that fails must not end the others
            yield Check(name, "fail", f"{type(error).__name__}: {error}")


def check_python() -> Check:
    """Checks the Python version: the lock file is for one only (docs/adr/0024)."""
    found = sys.version.split()[0]
    if sys.version_info[:2] != (3, 11):
        return Check("Python", "fail", f"{found}; install Python 3.11")
    return Check("Python", "ok", f"{found}, {sys.executable}")


def check_packages(requirements: Iterable[str]) -> Check:
    """Checks whether the pinned packages are installed.

    Args:
        requirements: Requirements in pip's format.
    """
    wrong, count = [], 0
    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            found = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} is {found}, not {requirement.specifier}")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        advice = "run 'make install' to install the pinned versions"
        text = f"{', '.join(wrong[:5])}{more}; {advice}"
        return Check("packages", "fail", text)
    return Check("packages", "ok", f"all {count} as pinned")


def _requirements() -> list[str]:
    """Returns the lock file of a checkout, or the installed package's requirements."""
    if not LOCK.exists():
        return importlib.metadata.requires("marquee") or []
    lines = LOCK.read_text().splitlines()
    return [line.rstrip(" \\") for line in lines if line[:1].isalnum()]


def check_versions() -> Check:
    """Lists the versions of the main packages, for bug reports."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return Check("versions", "ok", ", ".join(versions))


def check_tensorflow() -> Check:
    """Checks which devices TensorFlow uses."""
    import tensorflow as tf

    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    if gpus:
        return Check("TensorFlow", "ok", f"sees {len(gpus)} GPU: {', '.join(gpus)}")
    if shutil.which("nvidia-smi"):
        text = "sees no GPU although a driver is installed; install marquee[gpu]"
        return Check("TensorFlow", "warn", text)
    return Check("TensorFlow", "ok", "sees no GPU; models train on the CPU")


def check_cores() -> Check:
    """Checks how many cores this process may use."""
    cores = machine.cores()
    return Check("cores", "ok" if cores > 1 else "warn", f"{cores} available")


def check_memory() -> Check:
    """Checks how much memory a run may use."""
    found = machine.memory()
    where = "available to the container" if found.is_limited else "of this machine"
    what = f"free of {found.total / 1e9:.1f} GB {where}"
    return _amount("memory", found.free, MIN_MEMORY, what)


def check_disk(out: Path) -> Check:
    """Checks how much a run may write."""
    folder = _existing(out)
    return _amount(
        "disk", shutil.disk_usage(folder).free, MIN_DISK, f"free in {folder}"
    )


def _amount(name: str, found: float, least: float, what: str) -> Check:
    text = f"{found / 1e9:.1f} GB {what}"
    if found < least:
        advice = f"MovieLens 1M may need {least / 1e9:.0f} GB"
        return Check(name, "warn", f"{text}; {advice}")
    return Check(name, "ok", text)


def check_writable(name: str, folder: Path) -> Check:
    """Writes a file to a folder, or to where it would be created."""
    place = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"marquee")
            file.flush()
    except OSError as error:
        text = f"cannot write to {place}: {error.strerror}"
        return Check(name, "fail", text)
    return Check(name, "ok", f"can write to {folder}")


def check_semaphores() -> Check:
    """Creates a semaphore, which fails in Python without ``/dev/shm``."""
    try:
        lock.check_semaphores()
    except ConfigError as error:
        return Check("semaphores", "fail", str(error))
    return Check("semaphores", "ok", "can be created")


def _existing(folder: Path) -> Path:
    """Returns the folder, or its nearest parent that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def check_metadata_store(database: Path) -> Check:
    """Reads the store of earlier runs, or creates a temporary one."""
    if database.exists():
        try:
            executions = len(open_metadata(database).get_executions())
        except Exception as error:
            advice = "'marquee doctor --restore' restores its last copy"
            return Check("metadata store", "fail", f"{database}: {error}; {advice}")
        text = f"{database} opens, {executions} executions recorded"
        return Check("metadata store", "ok", text)

    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2

    with tempfile.TemporaryDirectory() as temporary:
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(Path(temporary, METADATA_FILE))
        MetadataStore(config).get_executions()
    return Check("metadata store", "ok", "SQLite opens; no earlier run in this folder")
