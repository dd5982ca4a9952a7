"""The steps of the Beam pipeline, each on megabytes of ratings at a time."""

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput

from components.artifact_place import split_folder
from components.ratings_example_gen.ingest_findings import (
    BucketCounts,
    UsersFileError,
    WrittenRecords,
    count_bucket,
)
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.block_report import BlockReport
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.read.rows import Block
from components.ratings_example_gen.settings import RANDOM, TEMPORAL, Settings
from components.ratings_example_gen.side_files.columns import SideTable
from components.ratings_example_gen.side_files.users import (
    UserPiece,
    merge,
    read_users,
)
from components.ratings_example_gen.write import example_encoder, splits, tfrecords
from components.ratings_example_gen.write.user_histories import (
    ORDER,
    ROWS_PER_BLOCK_BITS,
    Histories,
    group_ratings,
    scatter,
)
from trainer_modules.features import SPLITS, TRAIN_SPLIT

FINDINGS = "findings"

# Between reading and grouping, Beam holds all ratings, on one machine in memory. On
# MovieLens 20M's layout, zstd leaves 12 of 36 bytes a rating, for 0.27 µs of CPU each.
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="zstd")


class ReadBlock(beam.DoFn):
    """Block → (bucket, piece of ratings), and a report."""

    BAD = "bad"

    def __init__(
        self,
        parts: Sequence[Part],
        reader: RatingsReader,
        num_buckets: int,
        keep_bad: bool,
    ):
        self._parts = parts
        self._reader = reader
        self._num_buckets = num_buckets
        self._keep_bad = keep_bad

    def process(self, block: Block) -> Iterator[Any]:
        """Reads one block."""
        report = BlockReport(block)
        row = block.number << ROWS_PER_BLOCK_BITS
        try:
            for ratings in self._reader.read(self._parts[block.part], block):
                report.add(ratings)
                if self._keep_bad:
                    for bad in ratings.bad:
                        yield TaggedOutput(self.BAD, (block, *bad))
                table = ratings.table
                if not table.num_rows:
                    continue
                order = np.arange(row, row + table.num_rows)
                row += table.num_rows
                table = table.append_column(ORDER, pa.array(order))
                for bucket, rows in scatter(table, self._num_buckets):
                    yield bucket, _to_bytes(rows)
        except BadInputError as error:
            report.fatal = error
        yield TaggedOutput(FINDINGS, report)


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_COMPRESSED) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _from_bytes(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()


class ReadUsers(beam.DoFn):
    """File of users → (bucket, users), and the error that stopped the reading."""

    def __init__(self, num_buckets: int):
        self._num_buckets = num_buckets

    def process(self, table: SideTable) -> Iterator[Any]:
        """Reads the whole file."""
        try:
            yield from read_users(table, self._num_buckets)
        except BadInputError as error:
            yield TaggedOutput(FINDINGS, UsersFileError(error))


class GroupUsers(beam.DoFn):
    """(bucket, pieces) → (bucket, histories, user features), and counts."""

    HOURS = "hours"

    def __init__(self, settings: Settings, span_of_block: list[int]):
        self._settings = settings
        self._span_of_block = span_of_block

    def process(self, element: Any) -> Iterator[Any]:
        """Groups one bucket."""
        bucket, pieces = element
        pieces = list(pieces)
        tables = [_from_bytes(piece) for piece in pieces if isinstance(piece, bytes)]
        known, num_repeated = merge([p for p in pieces if isinstance(p, UserPiece)])
        if num_repeated:
            yield TaggedOutput(FINDINGS, BucketCounts(users_repeated=num_repeated))
        if not tables:  # The file describes users who never rated.
            return
        histories = group_ratings(
            tables,
            self._settings.max_history,
            self._span_of_block,
            self._settings.repeats,
            self._settings.events,
        )
        yield TaggedOutput(FINDINGS, count_bucket(histories, known))
        by_time = self._settings.split_kind == TEMPORAL
        if by_time and histories.timestamp is not None:
            times = histories.timestamp
            if histories.is_judged is not None:
                times = times[histories.is_judged]
            hours, ratings = np.unique(times // splits.HOUR, return_counts=True)
            counted = dict(zip(hours.tolist(), ratings.tolist(), strict=True))
            yield TaggedOutput(self.HOURS, counted)
        yield bucket, histories, known


class WriteSplits(beam.DoFn):
    """(bucket, histories, user features) → one file per split; number of records."""

    def __init__(self, settings: Settings, folder: str, num_buckets: int):
        self._settings = settings
        self._folder = folder
        self._num_buckets = num_buckets

    def process(self, element: Any, cuts: Any = None) -> Iterator[WrittenRecords]:
        """Writes one bucket; ``cuts`` are the times that separate splits by time."""
        bucket, histories, users = element
        settings = self._settings

        def divide(histories: Histories) -> splits.Divided:
            if cuts is not None:
                return histories, splits.temporal(histories, cuts)
            if settings.split_kind == RANDOM:
                fractions = (settings.eval_fraction, settings.test_fraction)
                return splits.random(histories, fractions, settings.seed)
            return histories, splits.leave_last_out(histories)

        if settings.held_out_items:
            histories, ranges = splits.hold_items_out(
                histories, settings.held_out_items, settings.seed, divide
            )
        else:
            histories, ranges = divide(histories)
        encoder = example_encoder.Encoder(histories, users)
        name = tfrecords.file_name(bucket, self._num_buckets)
        yield WrittenRecords(
            {
                split: tfrecords.write(
                    f"{split_folder(self._folder, split)}/{name}",
                    encoder.encode(ranges[split], with_history=split != TRAIN_SPLIT),
                )
                for split in SPLITS
            }
        )
