"""The files with the data of a run: a person's own, or copies of rows in databases."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pipeline import datasets
from pipeline.config.sections import PipelineConfig
from pipeline.datasets.databases.address import is_database
from pipeline.datasets.databases.copy_rows import copy_rows
from pipeline.datasets.databases.snapshot import Snapshot

SNAPSHOTS = "snapshots"  # in the folder of the runs
# Limits of a day in a query, which a retraining fills in; what a span was copied from.
START, END, SPAN_RECORD = "{start}", "{end}", "_snapshot.json"


@dataclass(frozen=True)
class SourceFiles:
    """The data of a run on this machine.

    Attributes:
        name: Name of a data set, path of the ratings, or address in a database.
        folder: Folder or file of the ratings; text in an object store.
        config: The settings, in which files of items and users are paths.
        snapshots: What was read from databases: ratings, items, users or the name of a
            span → the rows.
        copies: The file of the rows of each.
    """

    name: str
    folder: Path | str
    config: PipelineConfig
    snapshots: dict[str, Snapshot]
    copies: dict[str, Path]

    @property
    def place(self) -> str:
        """Where the ratings are: a path, or an address in a database."""
        return self.name if "ratings" in self.snapshots else str(self.folder)

    def shown(self, text: str) -> str:
        """Returns a message with addresses in place of paths of copies."""
        for role, snapshot in self.snapshots.items():
            text = text.replace(str(self.copies[role]), snapshot.source)
        return text


def source_files(
    config: PipelineConfig, folder: Path, progress: datasets.Progress
) -> SourceFiles:
    """Returns the files of ``data.source``, ``data.items`` and ``data.users``.

    Args:
        config: The settings.
        folder: Folder for copies of rows in databases. Each call replaces them.
        progress: Called with the progress of downloads and queries, in bytes.

    Raises:
        BadInputError: If a path is neither a folder nor a regular file.
        DatasetError: If the data does not exist or cannot be obtained.
    """
    data = config.data
    given = {"ratings": data.source, "items": data.items, "users": data.users}
    # Each in a folder of its own: files beside ratings are looked at for features.
    paths = {
        role: folder.absolute() / role / f"{role}.parquet"
        for role, source in given.items()
        if is_database(source) and START not in str(source)
    }
    snapshots = {
        role: copy_rows(str(given[role]), path, progress)
        for role, path in paths.items()
    }
    side = {role: str(path) for role, path in paths.items() if role != "ratings"}
    config = msgspec.structs.replace(config, data=msgspec.structs.replace(data, **side))
    if "ratings" in snapshots:
        dataset = datasets.Dataset(snapshots["ratings"].source, paths["ratings"])
    elif is_database(data.source):
        dataset = datasets.Dataset(data.source, _copied_spans(folder, data.source))
        for record in Path(dataset.folder).glob(f"*/{SPAN_RECORD}"):
            span = record.parent.name
            snapshots[span] = msgspec.json.decode(record.read_bytes(), type=Snapshot)
            paths[span] = record.with_name("ratings.parquet")
    else:
        dataset = datasets.resolve(data.source, progress)
    return SourceFiles(dataset.name, dataset.folder, config, snapshots, paths)


def spans_folder(folder: Path, source: str) -> Path:
    """Returns the folder of the spans that are copied from a query."""
    digest = hashlib.sha256(source.encode()).hexdigest()
    return folder.absolute() / f"spans-{digest[:12]}"


def _copied_spans(folder: Path, source: str) -> Path:
    spans = spans_folder(folder, source)
    if not spans.is_dir():
        raise datasets.DatasetError(
            f"{source}: {START} and {END} are filled in by marquee retrain, for each "
            "day. Write times in their place to read a part of the rows."
        )
    return spans


@contextlib.contextmanager
def unrecorded_files(
    config: PipelineConfig, progress: datasets.Progress
) -> Iterator[SourceFiles]:
    """Yields the files of the data for a look without a run.

    Copies of rows in databases are removed afterwards: those of the last run, which may
    be running, are not touched.

    Raises:
        BadInputError: If a path is neither a folder nor a regular file.
        DatasetError: If the data does not exist or cannot be obtained.
    """
    with tempfile.TemporaryDirectory(prefix="marquee-") as folder:
        yield source_files(config, Path(folder), progress)
