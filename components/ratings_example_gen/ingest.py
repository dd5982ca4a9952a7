"""The Beam pipeline from blocks of files to serialized Examples.

block → checked ratings → pieces by bucket of users → grouped and sorted users →
one record per user and split. Elements are megabytes, not rows, so that Beam's
cost per element does not matter. Nothing here imports TFX or TensorFlow.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import AsSingleton, TaggedOutput

from components.artifact_place import split_folder
from components.ratings_example_gen import examples, splits, tfrecords
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.read.rows import Block
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.parts import Part
from components.ratings_example_gen.reports import BlockReport, first_lines, summarise
from components.ratings_example_gen.settings import RANDOM, TEMPORAL, Settings
from components.ratings_example_gen.side_columns import SideTable
from components.ratings_example_gen.side_summary import MAX_NAMED
from components.ratings_example_gen.spans import span_of
from components.ratings_example_gen.user_features import (
    UserPiece,
    UserTable,
    merge,
    read_users,
)
from components.ratings_example_gen.user_histories import (
    ORDER,
    ROWS_PER_BLOCK_BITS,
    Histories,
    fingerprints,
    group_ratings,
    scatter,
)
from trainer_modules.features import SPLITS, TRAIN_SPLIT

COUNTS_FILE = "counts.json"
QUARANTINE_FILE = "quarantine.jsonl"
FINDINGS = "findings"
# Users with as many ratings or more, all of them another user's, are duplicates.
RATINGS_OF_A_DUPLICATE = 5

# Text of ratings that one bucket holds on average: some 10 times that in memory
# while its users are sorted.
BUCKET_BYTES = 16 << 20
# How many times longer text is than the .gz it came from, roughly.
GZIP_RATIO = 4
# Counts that are the least or the greatest of all buckets', not their sum.
_BOUNDS = {"first": min, "last": max, "rating_min": min, "rating_max": max}


class _ReadBlock(beam.DoFn):
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
        yield TaggedOutput(FINDINGS, (_Summarise.REPORT, report))


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _from_bytes(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()


class _ReadUsers(beam.DoFn):
    """Users file → (bucket, users), and what is wrong with the file."""

    def __init__(self, num_buckets: int):
        self._num_buckets = num_buckets

    def process(self, table: SideTable) -> Iterator[Any]:
        try:
            yield from read_users(table, self._num_buckets)
        except BadInputError as error:
            yield TaggedOutput(FINDINGS, (_Summarise.USERS_ERROR, error))


class _GroupUsers(beam.DoFn):
    """(bucket, pieces) → (histories, user features), and counts."""

    HOURS = "hours"

    def __init__(self, settings: Settings, span_of_block: list[int]):
        self._settings = settings
        self._span_of_block = span_of_block

    def process(self, element: Any) -> Iterator[Any]:
        bucket, pieces = element
        pieces = list(pieces)
        tables = [_from_bytes(piece) for piece in pieces if isinstance(piece, bytes)]
        known, num_duplicates = merge([p for p in pieces if isinstance(p, UserPiece)])
        if num_duplicates:
            repeated = {"users_repeated": num_duplicates}
            yield TaggedOutput(FINDINGS, (_Summarise.COUNTS, repeated))
        if not tables:  # Users of the users file who never rated.
            return
        histories = group_ratings(
            tables,
            self._settings.max_history,
            self._span_of_block,
            self._settings.repeats,
        )
        counts = _count(histories) | _count_known(histories, known)
        yield TaggedOutput(FINDINGS, (_Summarise.COUNTS, counts))
        by_time = self._settings.split_kind == TEMPORAL
        if by_time and histories.timestamp is not None:
            hours, ratings = np.unique(
                histories.timestamp // splits.HOUR, return_counts=True
            )
            counted = dict(zip(hours.tolist(), ratings.tolist(), strict=True))
            yield TaggedOutput(self.HOURS, counted)
        yield bucket, histories, known


def _count(histories: Histories) -> dict[str, Any]:
    times = histories.timestamp
    return {
        "kept": len(histories.item_id),
        "duplicates": histories.duplicates,
        "truncated": histories.truncated,
        "users": len(histories.user_id),
        "items": set(pc.unique(histories.item_id).to_pylist()),
        "overlaps": histories.overlaps,
        "fingerprints": fingerprints(histories, RATINGS_OF_A_DUPLICATE),
        "first": None if times is None else int(times.min()),
        "last": None if times is None else int(times.max()),
        "rating_min": float(histories.rating.min()),
        "rating_max": float(histories.rating.max()),
    }


def _count_known(histories: Histories, known: UserTable) -> dict[str, Any]:
    """Counts the users that the users file has, and names the first of the others."""
    unknown = [user for user in histories.user_id.to_pylist() if user not in known]
    return {
        "users_with_features": len(histories.user_id) - len(unknown),
        "first_users_without": sorted(unknown)[:MAX_NAMED],
    }


_SUMS = (
    *("kept", "duplicates", "truncated", "users"),
    *("users_with_features", "users_repeated"),
)


class _Summarise(beam.CombineFn):
    """Puts together all that was found: (what, value) → content of counts.json.

    One combination of everything, not one for each kind of finding: each would cost
    the runner half a second, which is much beside a small file.
    """

    REPORT = "report"
    USERS_ERROR = "users_error"
    COUNTS = "counts"
    RECORDS = "records"

    def __init__(
        self, parts: tuple[Part, ...], spans: tuple[str, ...], users_file: str | None
    ):
        self._parts = parts
        self._spans = spans
        self._users_file = users_file

    def create_accumulator(self) -> dict[str, Any]:
        """Returns no findings."""
        counts = dict.fromkeys(_SUMS, 0)
        return {
            self.REPORT: [],
            self.USERS_ERROR: [],
            self.RECORDS: Counter(),
            self.COUNTS: {
                **counts,
                "items": set(),
                "overlaps": Counter(),
                "fingerprints": np.zeros(0, np.uint64),
                "first_users_without": [],
                **dict.fromkeys(_BOUNDS),
            },
        }

    def add_input(self, found: dict[str, Any], finding: Any) -> dict[str, Any]:
        """Adds one finding."""
        what, value = finding
        if what == self.COUNTS:
            _add_counts(found[what], value)
        elif what == self.RECORDS:
            found[what].update(value)
        else:
            found[what].append(value)
        return found

    def merge_accumulators(self, accumulators: Iterable[Any]) -> dict[str, Any]:
        """Adds up findings."""
        result = self.create_accumulator()
        for found in accumulators:
            result[self.REPORT] += found[self.REPORT]
            result[self.USERS_ERROR] += found[self.USERS_ERROR]
            result[self.RECORDS].update(found[self.RECORDS])
            _add_counts(result[self.COUNTS], found[self.COUNTS])
        return result

    def extract_output(self, found: dict[str, Any]) -> dict[str, Any]:
        """Returns what ``reports.summarise`` makes of the findings."""
        counts = dict(found[self.COUNTS])
        of_users = counts.pop("fingerprints")
        overlaps = [
            {"spans": [self._spans[older], self._spans[newer]], "ratings": ratings}
            for (older, newer), ratings in sorted(counts["overlaps"].items())
        ]
        return summarise(
            found[self.REPORT],
            {
                **counts,
                "items": len(counts["items"]),
                "overlaps": overlaps,
                "duplicate_users": len(of_users) - len(np.unique(of_users)),
                "users_file": self._users_file,
            },
            found[self.RECORDS],
            self._parts,
            found[self.USERS_ERROR],
        )


def _add_counts(sums: dict[str, Any], counts: Mapping[str, Any]) -> None:
    """Adds some counts of a bucket; items are counted once."""
    for name in _SUMS:
        sums[name] += counts.get(name, 0)
    sums["items"] |= counts.get("items", set())
    sums["overlaps"] += counts.get("overlaps", Counter())
    if "fingerprints" in counts:
        both = [sums["fingerprints"], counts["fingerprints"]]
        sums["fingerprints"] = np.concatenate(both)
    named = sums["first_users_without"] + counts.get("first_users_without", [])
    sums["first_users_without"] = sorted(named)[:MAX_NAMED]
    for name, choose in _BOUNDS.items():
        known = [x for x in (sums[name], counts.get(name)) if x is not None]
        sums[name] = choose(known, default=None)


class _WriteSplits(beam.DoFn):
    """(bucket, histories, user features) → one file per split; records by split."""

    def __init__(self, settings: Settings, folder: str, num_buckets: int):
        self._settings = settings
        self._folder = folder
        self._num_buckets = num_buckets

    def process(self, element: Any, cuts: Any = None) -> Iterator[Any]:
        bucket, histories, users = element
        settings = self._settings
        if cuts is not None:
            ranges = splits.temporal(histories, cuts)
        elif settings.split_kind == RANDOM:
            fractions = (settings.eval_fraction, settings.test_fraction)
            histories, ranges = splits.random(histories, fractions, settings.seed)
        else:
            ranges = splits.leave_last_out(histories)
        encoder = examples.Encoder(histories, users)
        name = tfrecords.file_name(bucket, self._num_buckets)
        records = {
            split: tfrecords.write(
                f"{split_folder(self._folder, split)}/{name}",
                encoder.encode(ranges[split], with_history=split != TRAIN_SPLIT),
            )
            for split in SPLITS
        }
        yield _Summarise.RECORDS, records


def _add_up(numbers: Iterable[dict[Any, int]]) -> dict[Any, int]:
    total: Counter[Any] = Counter()
    for counts in numbers:
        total.update(counts)
    return dict(total)


def _quarantined(bad: Any, before: dict[int, int], parts: tuple[Part, ...]) -> str:
    block, line, kind, reason, text = bad
    return json.dumps(
        {
            "file": parts[block.part].name,
            "line": before[block.number] + line,
            "kind": kind,
            "reason": reason,
            "text": text,
        },
        ensure_ascii=False,
    )


def _write_text(text: str, path: str) -> None:
    with FileSystems.create(
        path, compression_type=CompressionTypes.UNCOMPRESSED
    ) as file:
        file.write(text.encode())


def count_buckets(layout: Layout) -> int:
    """Returns into how many buckets the users are divided."""
    sizes = (
        part.size * (GZIP_RATIO if part.path.lower().endswith(".gz") else 1)
        for part in layout.ratings
    )
    return max(1, math.ceil(sum(sizes) / BUCKET_BYTES))


def ingest(
    pipeline: beam.Pipeline,
    layout: Layout,
    users: SideTable | None,
    settings: Settings,
    base: str,
    folder: str,
) -> None:
    """Builds the pipeline that reads what lies in ``base`` and writes ``folder``.

    It will hold ``Split-train`` and so on with gzipped TFRecords, ``counts.json``,
    and ``quarantine.jsonl`` where bad rows are allowed and found.
    """
    parts = layout.ratings
    num_buckets = count_buckets(layout)
    reading = layout.reading.as_record() if layout.reading else None
    keep_bad = settings.max_bad_fraction > 0
    by_time = settings.split_kind == TEMPORAL
    reader = RatingsReader(settings.rating_min, settings.rating_max)
    blocks = plan_blocks(parts)
    place = {name: number for number, name in enumerate(settings.spans)}
    span_of_block = [
        place[span_of(parts[block.part].path, base)] for block in blocks if place
    ]

    read = (
        pipeline
        | "CreateBlocks" >> beam.Create(blocks, reshuffle=True)
        | "ReadBlocks"
        >> beam.ParDo(_ReadBlock(parts, reader, num_buckets, keep_bad)).with_outputs(
            FINDINGS, _ReadBlock.BAD, main="ratings"
        )
    )
    pieces, findings = [read["ratings"]], [read[FINDINGS]]
    if users:
        features_of_users = (
            pipeline
            | "CreateUsersFile" >> beam.Create([users], reshuffle=False)
            | "ReadUsers"
            >> beam.ParDo(_ReadUsers(num_buckets)).with_outputs(FINDINGS, main="users")
        )
        pieces.append(features_of_users["users"])
        findings.append(features_of_users[FINDINGS])
    grouped = (
        pieces
        | "RatingsAndUsers" >> beam.Flatten(pipeline=pipeline)
        | "GroupByBucket" >> beam.GroupByKey()
        | "GroupUsers"
        >> beam.ParDo(_GroupUsers(settings, span_of_block)).with_outputs(
            FINDINGS, _GroupUsers.HOURS, main="histories"
        )
    )
    if keep_bad:
        before = AsSingleton(
            read[FINDINGS]
            | "ListReports" >> beam.combiners.ToList()
            | "FirstLines" >> beam.Map(lambda found: first_lines([f[1] for f in found]))
        )
        _ = (
            read[_ReadBlock.BAD]
            | "NameBadRows" >> beam.Map(_quarantined, before, parts)
            | "WriteQuarantine"
            >> beam.io.WriteToText(
                f"{folder}/{QUARANTINE_FILE}",
                num_shards=1,
                shard_name_template="",
                skip_if_empty=True,
            )
        )
    side_input: list[Any] = []
    if by_time:
        cuts = (
            grouped[_GroupUsers.HOURS]
            | "MergeHours" >> beam.CombineGlobally(_add_up)
            | "FindCuts"
            >> beam.Map(
                splits.find_cuts, settings.eval_fraction, settings.test_fraction
            )
        )
        side_input = [AsSingleton(cuts)]
    records = grouped["histories"] | "WriteSplits" >> beam.ParDo(
        _WriteSplits(settings, folder, num_buckets), *side_input
    )
    _ = (
        [*findings, grouped[FINDINGS], records]
        | "AllFindings" >> beam.Flatten()
        | "Summarise"
        >> beam.CombineGlobally(
            _Summarise(parts, settings.spans, users.part.name if users else None)
        )
        | "WriteCounts"
        >> beam.Map(
            lambda summary: _write_text(
                json.dumps({**summary, "reading": reading}, ensure_ascii=False),
                f"{folder}/{COUNTS_FILE}",
            )
        )
    )
