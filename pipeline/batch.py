"""The live model's list for every user, as one Parquet file, on Beam.

``RatingsExampleGen`` writes a user's records of all splits into files of the same
number. So a worker reads the files of one number after the other and knows all that
their users have rated: nothing is shuffled, and memory does not grow with the users.
It runs where the newest run's steps ran; workers elsewhere see the folder of the file.
"""

import contextlib
import dataclasses
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from components import durable
from pipeline import run_lock, runs
from pipeline.beam.options import beam_args
from pipeline.config import BeamConfig, ConfigError
from pipeline.rated import read_rated
from pipeline.recommending import live_model
from trainer_modules import features as f

SCHEMA = pa.schema(
    [
        pa.field(f.USER_ID, pa.string(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),  # from 1, the best
        pa.field(f.ITEM_ID, pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
ROW_GROUP = 1 << 17  # rows
# Scores at once, of all items for some users: 64 MB.
_PAIRS_AT_ONCE = 1 << 24
_MAX_USERS_AT_ONCE = 256
_LOCK_FILE = "batch.lock"
_NUM_USERS = b"users"  # in the metadata of a shard's file

_List = list[tuple[str, float]]  # items and scores, the best first


@dataclasses.dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
      path: of the file.
      model: that was asked.
      version: of it.
      users: who have a list, or rated everything there is.
      rows: of the file.
      bytes: of the file.
      seconds: from the first record read to the file in its place.
    """

    path: Path
    model: str
    version: int
    users: int
    rows: int
    bytes: int
    seconds: float


@dataclasses.dataclass
class _User:
    """What a user has rated: ids; those that are liked in order, the newest last."""

    rated: set[str] = dataclasses.field(default_factory=set)
    liked: dict[str, None] = dataclasses.field(default_factory=dict)

    @property
    def num_disliked(self) -> int:
        """How many rated items the model may list, as it is not told of them."""
        return len(self.rated) - len(self.liked)


def recommend_to_all(out: Path, path: Path, k: int) -> Written:
    """Writes the k best items that a user has not rated, for all users.

    A user for whom fewer are left has fewer rows. The file replaces what stood at its
    path, when it is whole. Its metadata say which model and version it is from.

    Args:
      out: folder of the runs; the newest run's ratings say who the users are.
      path: of the file; its folder is there.
      k: how many items for each user.

    Raises:
      VersionError: nothing is live, or its files are not those that were pushed.
      RunNotFoundError: no run has finished.
    """
    live = live_model(out)
    config = runs.read(out, None)["config"]
    threshold = config["label"]["threshold"]
    beam_config = msgspec.convert(config.get("beam", {}), BeamConfig)
    examples, catalogue = runs.newest_data(out)
    num_items = pq.read_metadata(catalogue / f.CATALOGUE_FILE).num_rows
    users_at_once = max(1, min(_MAX_USERS_AT_ONCE, _PAIRS_AT_ONCE // num_items))
    started = time.monotonic()
    with _unfinished(path) as folder:
        shards = _shards(str(examples))
        options = PipelineOptions(beam_args(beam_config))
        with beam.Pipeline(options=options) as pipeline:
            _ = (
                pipeline
                | "CreateShards" >> beam.Create(list(shards.items()))
                | "RecommendToUsers"
                >> beam.ParDo(
                    _Recommend(
                        str(live.folder), threshold, k, users_at_once, str(folder)
                    )
                )
            )
        told = {"model": live.model, "version": str(live.number), "origin": live.origin}
        whole = folder / "whole"
        parts = [folder / name for name in shards]
        users = _join(parts, whole, told)
        rows = pq.read_metadata(whole).num_rows
        durable.move(whole, path)
    return Written(
        path=path,
        model=live.model,
        version=live.number,
        users=users,
        rows=rows,
        bytes=path.stat().st_size,
        seconds=time.monotonic() - started,
    )


@contextlib.contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """A folder beside a file that is being made, which is gone at the end.

    What a process left that was killed goes, too: nobody holds its lock any more.
    """
    prefix = f".{path.name}.unfinished-"
    for lock in path.parent.glob(f"{glob.escape(prefix)}*/{_LOCK_FILE}"):
        # One that is at work, or of somebody whose files are not ours to remove.
        with (
            contextlib.suppress(run_lock.BusyError, ConfigError),
            run_lock.held(lock, "batch"),
        ):
            shutil.rmtree(lock.parent, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as made:
        folder = Path(made)
        with run_lock.held(folder / _LOCK_FILE, "batch"):
            yield folder


def _shards(examples: str) -> dict[str, list[str]]:
    """Name of a shard → its files, those of older ratings first."""
    shards: dict[str, list[str]] = {}
    for split in f.SPLITS:
        for path in sorted(tf.io.gfile.glob(f"{examples}/Split-{split}/*")):
            shards.setdefault(os.path.basename(path), []).append(path)
    return dict(sorted(shards.items()))


class _Recommend(beam.DoFn):
    """(name, files) of a shard → a Parquet file of that name, with its users' lists."""

    def __init__(
        self, model: str, threshold: str, k: int, users_at_once: int, folder: str
    ):
        self._model = model
        self._threshold = threshold
        self._k = k
        self._users_at_once = users_at_once
        self._folder = folder

    def setup(self) -> None:
        """Loads the model, once for a worker."""
        self._loaded = tf.saved_model.load(self._model)

    def teardown(self) -> None:
        """Lets go of it while TensorFlow still can free it without complaint."""
        del self._loaded

    def process(self, element: Any) -> None:
        name, files = element
        users: dict[str, _User] = {}
        for user, items, likes in read_rated(files, self._threshold):
            known = users.setdefault(user, _User())
            known.rated.update(items)
            known.liked |= dict.fromkeys(
                item for item, like in zip(items, likes, strict=True) if like
            )
        schema = SCHEMA.with_metadata({_NUM_USERS: str(len(users))})
        with pq.ParquetWriter(Path(self._folder, name), schema) as writer:
            waiting = iter(sorted(users))
            while group := list(islice(waiting, max(1, ROW_GROUP // self._k))):
                writer.write_table(self._lists({user: users[user] for user in group}))

    def _lists(self, users: Mapping[str, _User]) -> pa.Table:
        """The rows of some users, in their order."""
        # Side by side those with histories of about the same length.
        by_length = sorted(users, key=lambda user: len(users[user].rated))
        lists: dict[str, _List] = {}
        for first in range(0, len(users), self._users_at_once):
            asked = by_length[first : first + self._users_at_once]
            found = self._ask([users[user] for user in asked], asked)
            lists |= zip(asked, found, strict=True)
        rows = [
            (user, rank, item, score)
            for user in users
            for rank, (item, score) in enumerate(lists[user], start=1)
        ]
        columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
        return pa.table(list(map(pa.array, columns, SCHEMA.types)), schema=SCHEMA)

    def _ask(self, users: Collection[_User], names: Sequence[str]) -> Iterator[_List]:
        """The k best items of each user, what is rated left out."""
        longest = max(len(user.liked) for user in users)
        histories = [
            [*user.liked, *[""] * (longest - len(user.liked))] for user in users
        ]
        answer = self._loaded.signatures["recommend"](
            user_id=tf.constant(names),
            history_item_id=tf.constant(histories, tf.string, [len(users), longest]),
            k=tf.constant(self._k + max(user.num_disliked for user in users)),
        )
        items, scores = answer["item_id"].numpy(), answer["score"].numpy().tolist()
        for user, ids, of_them in zip(users, items, scores, strict=True):
            rated = {item.encode() for item in user.rated}
            unseen = (
                (item.decode(), score)
                for item, score in zip(ids, of_them, strict=True)
                if item and item not in rated
            )
            yield list(islice(unseen, self._k))


def _join(parts: Iterable[Path], whole: Path, about: Mapping[str, str]) -> int:
    """Puts files after each other into one; returns the sum of their users."""
    users = 0
    schema = SCHEMA.with_metadata({f"marquee.{key}": about[key] for key in about})
    with pq.ParquetWriter(whole, schema) as writer:
        for path in parts:
            with pq.ParquetFile(path) as part:
                users += int(part.schema_arrow.metadata[_NUM_USERS])
                for rows in part.iter_batches(ROW_GROUP):
                    writer.write_batch(rows)
    return users
