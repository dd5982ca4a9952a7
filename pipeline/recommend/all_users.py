"""Writes the live model's list for every user to a Parquet file, on Beam.

``RatingsExampleGen`` writes a user's records of all splits into files of the same
number. So a worker that reads all files of one number has the complete histories of
their users: nothing is shuffled, and memory does not grow with the number of users.
It runs on the same Beam runner as the run that accepted the data. Workers on other
machines need access to the folder of the file.
"""

import contextlib
import dataclasses
import glob
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from components import durable_files
from components.exported_model import Function
from pipeline.beam.options import beam_args
from pipeline.config.errors import ConfigError
from pipeline.config.sections import BeamConfig
from pipeline.lineage import accepted_data
from pipeline.recommend.list_rules import feed_now
from pipeline.recommend.one_user import ask, live_model, load_recommend
from pipeline.recommend.request_time import now
from pipeline.recommend.user_history import Histories, History, files_of
from pipeline.runs import finished_runs
from pipeline.runs import lock as run_lock
from trainer_modules import features as f

SCHEMA = pa.schema(
    [
        pa.field(f.USER_ID, pa.string(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),  # from 1 for the best
        pa.field(f.ITEM_ID, pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
ROW_GROUP = 1 << 17  # rows
# Scores in memory at once, of all items for some users: 64 MB.
_PAIRS_AT_ONCE = 1 << 24
_MAX_USERS_AT_ONCE = 256
_LOCK_FILE = "batch.lock"
_NUM_USERS = b"users"  # key in the metadata of a shard's file


@dataclasses.dataclass(frozen=True)
class Written:
    """Describes the written file.

    Attributes:
        path: Path of the file.
        model: Name of the live model.
        version: Number of its version.
        users: Number of users, including those who have rated every item.
        rows: Number of rows.
        bytes: Size of the file.
        seconds: From reading the first record to the complete file.
        feed_problem: Why the feed of available items is not in use, or that it is
            stale; "" if all is well.
    """

    path: Path
    model: str
    version: int
    users: int
    rows: int
    bytes: int
    seconds: float
    feed_problem: str = ""


def recommend_to_all(out: Path, path: Path, k: int, at: int | None = None) -> Written:
    """Writes, for all users, the k best items that the model does not leave out.

    A user with fewer items left has fewer rows. The file replaces any previous one when
    it is complete. Its metadata contains the model and its version.

    Args:
        out: Folder of the runs. The users are those of the data with which the live
            version was accepted.
        path: Path of the file, in an existing folder.
        k: Number of items for each user.
        at: Time of the request, in seconds UTC; None for now. Items may be recommended
            again by then, and models read its context.

    Raises:
        VersionError: If no model is live, or its files are not those that were pushed.
        NoLineageError: If the data with which the version was accepted is missing.
    """
    live = live_model(out)
    data = accepted_data(out, live)
    beam_config = finished_runs.read(out, data.run).section("beam", BeamConfig)
    num_items = pq.read_metadata(data.catalogue / f.CATALOGUE_FILE).num_rows
    users_at_once = max(1, min(_MAX_USERS_AT_ONCE, _PAIRS_AT_ONCE // num_items))
    started, feed = time.monotonic(), feed_now(live.folder)
    with _unfinished(path) as folder:
        shards = _shards(str(data.examples))
        recommend = _Recommend(
            partial(load_recommend, live.folder, feed.inputs),
            str(data.examples),
            k,
            now() if at is None else at,
            users_at_once,
            str(folder),
        )
        options = PipelineOptions(beam_args(beam_config))
        with beam.Pipeline(options=options) as pipeline:
            names = pipeline | "CreateShards" >> beam.Create(shards)
            _ = names | "RecommendToUsers" >> beam.ParDo(recommend)
        about = {
            "model": live.model,
            "version": str(live.number),
            "origin": live.origin,
        }
        whole = folder / "whole"
        users = _join((folder / name for name in shards), whole, about)
        rows = pq.read_metadata(whole).num_rows
        durable_files.move(whole, path)
    return Written(
        path=path,
        model=live.model,
        version=live.number,
        users=users,
        rows=rows,
        bytes=path.stat().st_size,
        seconds=time.monotonic() - started,
        feed_problem=feed.problem,
    )


@contextlib.contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """Yields a temporary folder beside a file, and removes it at the end.

    Folders of killed processes, whose locks are free, are removed as well.
    """
    prefix = f".{path.name}.unfinished-"
    for lock in path.parent.glob(f"{glob.escape(prefix)}*/{_LOCK_FILE}"):
        # It belongs to a running process, or to another user.
        with (
            contextlib.suppress(run_lock.BusyError, ConfigError),
            run_lock.held(lock, "batch"),
        ):
            shutil.rmtree(lock.parent, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as made:
        folder = Path(made)
        with run_lock.held(folder / _LOCK_FILE, "batch"):
            yield folder


def _shards(examples: str) -> list[str]:
    """Returns the names of the files; files of the same name have the same users."""
    files = itertools.chain(*files_of(examples).values())
    return sorted({os.path.basename(path) for path in files})


class _Recommend(beam.DoFn):
    """Name of a shard → a Parquet file of that name with the lists of its users."""

    def __init__(
        self,
        load: Callable[[], Function],
        examples: str,
        k: int,
        at: int,
        users_at_once: int,
        folder: str,
    ):
        # With the feed, which is read once, so that it is the same for all users.
        self._load = load
        self._examples = examples
        self._k, self._at = k, at
        self._users_at_once = users_at_once
        self._folder = folder

    def setup(self) -> None:
        """Loads the model once per worker."""
        self._recommend = self._load()

    def teardown(self) -> None:
        """Releases the model while TensorFlow can still free it without warnings."""
        del self._recommend

    def process(self, name: str) -> None:
        """Writes the lists of the shard's users."""
        histories = Histories(files_of(self._examples, name))
        schema = SCHEMA.with_metadata({_NUM_USERS: str(len(histories))})
        with pq.ParquetWriter(Path(self._folder, name), schema) as writer:
            waiting = iter(sorted(histories))
            while group := list(islice(waiting, max(1, ROW_GROUP // self._k))):
                known = {user: histories.of(user) for user in group}
                writer.write_table(self._lists(known))

    def _lists(self, known: Mapping[str, History]) -> pa.Table:
        """Returns the rows of some users, in the same order."""
        # Users with histories of about the same length share a call.
        by_length = sorted(known, key=lambda user: len(known[user].items))
        lists: dict[str, list[tuple[str, float]]] = {}
        for first in range(0, len(known), self._users_at_once):
            users = by_length[first : first + self._users_at_once]
            histories = [known[user] for user in users]
            found = ask(self._recommend, users, histories, self._k, self._at)
            lists |= zip(users, found, strict=True)
        rows = [
            (user, rank, item, score)
            for user in known
            for rank, (item, score) in enumerate(lists[user], start=1)
        ]
        columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
        return pa.table(list(map(pa.array, columns, SCHEMA.types)), schema=SCHEMA)


def _join(parts: Iterable[Path], whole: Path, about: Mapping[str, str]) -> int:
    """Concatenates files and returns the number of their users."""
    users = 0
    schema = SCHEMA.with_metadata({f"marquee.{key}": about[key] for key in about})
    with pq.ParquetWriter(whole, schema) as writer:
        for path in parts:
            with pq.ParquetFile(path) as part:
                users += int(part.schema_arrow.metadata[_NUM_USERS])
                for rows in part.iter_batches(ROW_GROUP):
                    writer.write_batch(rows)
    return users
