"""The Beam pipeline from blocks of files to serialized Examples.

block → checked ratings → pieces by bucket of users → grouped and sorted users →
one record per user and split. Elements are megabytes, not rows, so that Beam's
cost per element does not matter. Nothing here imports TFX or TensorFlow.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import AsSingleton

from components.ratings_example_gen.counts import COUNTS_FILE, Counts
from components.ratings_example_gen.ingest_findings import Summarise
from components.ratings_example_gen.ingest_steps import (
    FINDINGS,
    GroupUsers,
    ReadBlock,
    ReadUsers,
    WriteSplits,
)
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.block_report import first_lines
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.read.rows import Block
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognised_input import RecognisedInput
from components.ratings_example_gen.settings import TEMPORAL, Settings
from components.ratings_example_gen.side_files.columns import SideTable
from components.ratings_example_gen.spans import span_of
from components.ratings_example_gen.write import splits

QUARANTINE_FILE = "quarantine.jsonl"

# Text of ratings that one bucket holds on average, in bytes: some 10 times that in
# memory while its users are sorted.
BUCKET_BYTES = 16 << 20
# How many times longer text is than the .gz file it came from, roughly.
GZIP_RATIO = 4


def ingest(
    pipeline: beam.Pipeline, found: RecognisedInput, settings: Settings, folder: str
) -> None:
    """Builds the pipeline that reads an input and writes it to a folder.

    The folder will contain ``Split-train`` and so on with gzipped TFRecords,
    ``counts.json`` and, if bad rows are allowed and found, ``quarantine.jsonl``.

    Args:
        pipeline: The Beam pipeline to add to.
        found: The files to read.
        settings: How they are turned into Examples.
        folder: URI of the output artifact.
    """
    parts = found.layout.ratings
    num_buckets = count_buckets(found.layout)
    blocks = plan_blocks(parts)
    keep_bad = settings.max_bad_fraction > 0
    reader = RatingsReader(settings.rating_min, settings.rating_max, settings.events)
    read_block = ReadBlock(parts, reader, num_buckets, keep_bad)
    group_users = GroupUsers(settings, _spans_of_blocks(blocks, found, settings))
    users_file = found.users.part.name if found.users else None
    summarise = Summarise(parts, settings.spans, users_file, found.layout.reading)

    read = (
        pipeline
        | "CreateBlocks" >> beam.Create(blocks, reshuffle=True)
        | "ReadBlocks"
        >> beam.ParDo(read_block).with_outputs(FINDINGS, ReadBlock.BAD, main="ratings")
    )
    pieces, findings = [read["ratings"]], [read[FINDINGS]]
    if found.users:
        users = _read_users(pipeline, found.users, num_buckets)
        pieces.append(users["users"])
        findings.append(users[FINDINGS])
    grouped = _group(pipeline, pieces, group_users)
    if keep_bad:
        _write_quarantine(read, parts, folder)
    write_splits = WriteSplits(settings, folder, num_buckets)
    records = grouped["histories"] | "WriteSplits" >> beam.ParDo(
        write_splits, *_find_cuts(grouped, settings)
    )
    _ = (
        [*findings, grouped[FINDINGS], records]
        | "AllFindings" >> beam.Flatten()
        | "Summarise" >> beam.CombineGlobally(summarise)
        | "WriteCounts" >> beam.Map(_write_counts, folder)
    )


def count_buckets(layout: Layout) -> int:
    """Returns the number of buckets into which the users are divided."""
    sizes = (
        part.size * (GZIP_RATIO if part.path.lower().endswith(".gz") else 1)
        for part in layout.ratings
    )
    return max(1, math.ceil(sum(sizes) / BUCKET_BYTES))


def _read_users(pipeline: beam.Pipeline, users: SideTable, num_buckets: int) -> Any:
    return (
        pipeline
        | "CreateUsersFile" >> beam.Create([users], reshuffle=False)
        | "ReadUsers"
        >> beam.ParDo(ReadUsers(num_buckets)).with_outputs(FINDINGS, main="users")
    )


def _group(pipeline: beam.Pipeline, pieces: list[Any], group_users: GroupUsers) -> Any:
    return (
        pieces
        | "RatingsAndUsers" >> beam.Flatten(pipeline=pipeline)
        | "GroupByBucket" >> beam.GroupByKey()
        | "GroupUsers"
        >> beam.ParDo(group_users).with_outputs(
            FINDINGS, GroupUsers.HOURS, main="histories"
        )
    )


def _spans_of_blocks(
    blocks: list[Block], found: RecognisedInput, settings: Settings
) -> list[int]:
    """Returns the number of each block's span; empty if the input has no spans."""
    if not settings.spans:
        return []
    number = {name: number for number, name in enumerate(settings.spans)}
    parts = found.layout.ratings
    return [number[span_of(parts[block.part].path, found.base)] for block in blocks]


def _write_quarantine(read: Any, parts: tuple[Part, ...], folder: str) -> None:
    """Writes the bad rows, with lines counted from the beginning of their files."""
    before = AsSingleton(
        read[FINDINGS]
        | "ListReports" >> beam.combiners.ToList()
        # A lambda, because Beam would compare List[Any] with the function's annotation.
        | "FirstLines" >> beam.Map(lambda reports: first_lines(reports))
    )
    _ = (
        read[ReadBlock.BAD]
        | "NameBadRows" >> beam.Map(_quarantined, before, parts)
        | "WriteQuarantine"
        >> beam.io.WriteToText(
            f"{folder}/{QUARANTINE_FILE}",
            num_shards=1,
            shard_name_template="",
            skip_if_empty=True,
        )
    )


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


def _find_cuts(grouped: Any, settings: Settings) -> list[Any]:
    """Returns the times that separate the splits, as side inputs; none if not used."""
    if settings.split_kind != TEMPORAL:
        return []
    cuts = (
        grouped[GroupUsers.HOURS]
        | "MergeHours" >> beam.CombineGlobally(_add_up)
        | "FindCuts"
        >> beam.Map(splits.find_cuts, settings.eval_fraction, settings.test_fraction)
    )
    return [AsSingleton(cuts)]


def _add_up(numbers: Iterable[dict[Any, int]]) -> dict[Any, int]:
    total: Counter[Any] = Counter()
    for counts in numbers:
        total.update(counts)
    return dict(total)


def _write_counts(counts: Counts, folder: str) -> None:
    with FileSystems.create(
        f"{folder}/{COUNTS_FILE}", compression_type=CompressionTypes.UNCOMPRESSED
    ) as file:
        file.write(counts.to_json().encode())
