"""Summarises the ratings at a path, with the reader that the pipeline uses."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen import files
from components.ratings_example_gen.events import GROUPS, JUDGED, count_types
from components.ratings_example_gen.fingerprints import unchanged
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.pair_counts import PairCounter
from components.ratings_example_gen.read.block_report import (
    BlockReport,
    summarise_reports,
)
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.read.small_files import read_together
from components.ratings_example_gen.recognise.column_names import (
    EVENT_TYPE,
    ITEM_ID,
    RATING,
    TIMESTAMP,
    USER_ID,
)
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.reading import Reading
from components.ratings_example_gen.recognise.recognition import recognise_for
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.side_files.columns import SideTable
from components.ratings_example_gen.side_files.find import find_side_files
from components.ratings_example_gen.side_files.summary import (
    SideSummary,
    summarise_side,
)
from components.ratings_example_gen.side_files.tables import (
    SideTables,
    describe_side_files,
)


@dataclass(frozen=True)
class DataSummary:
    """What was found at a path.

    Attributes:
        layout: Name of the layout that was recognised, for a person.
        files: Names of the files that hold ratings.
        reading: How they are read, where that was given or guessed.
        items_file: What the file of items holds; None if there is none.
        users_file: What the file of users holds; None if there is none.
        unused: Tables beside the ratings that are not read.
        read: Number of rows of ratings.
        kept: Number of rows that are not bad, including duplicates.
        repeated: Number of rows that repeat a pair of user and item, with configured
            types of events in the same group; a run leaves them out.
        bad_by_kind: Kind of problem → number of bad rows.
        late_keys: Keys of JSON objects that first occur below the lines from which
            columns are recognised, and are not read → number of rows with them.
        first_problems: The first ten problems, as ``file:line: reason``.
        users: Number of distinct users.
        items: Number of distinct rated items.
        first: Time of the oldest rating, UTC; None without times.
        last: Time of the newest rating, UTC; None without times.
        sparsity: Share of all pairs (user, item) without a rating, 0 to 1.
        rating_min: Lowest rating; None without rows.
        rating_max: Highest rating; None without rows.
        event_types: Type of events → number of rows that are not bad, most frequent
            first; empty if no column has such types. They need not be configured.
        judged: Number of rows that may be targets: all that are not bad, or those of
            judged types.
        repeated_judged: Number of these that repeat a pair of user and item.
    """

    layout: str
    files: list[str]
    reading: Reading | None
    items_file: SideSummary | None
    users_file: SideSummary | None
    unused: list[str]
    read: int
    kept: int
    repeated: int
    bad_by_kind: dict[str, int]
    late_keys: dict[str, int]
    first_problems: list[str]
    users: int
    items: int
    first: datetime | None
    last: datetime | None
    sparsity: float
    rating_min: float | None
    rating_max: float | None
    event_types: dict[str, int] = field(default_factory=dict)
    judged: int = 0
    repeated_judged: int = 0


class _Range:
    """The least and the greatest value so far."""

    def __init__(self) -> None:
        self.bounds: tuple[float, float] | None = None

    def add(self, values: pa.ChunkedArray) -> None:
        if len(values):
            found = pc.min_max(values).as_py()
            low, high = self.bounds or (found["min"], found["max"])
            self.bounds = (min(low, found["min"]), max(high, found["max"]))


def inspect_path(
    path: Path | str,
    settings: Settings | None = None,
) -> DataSummary:
    """Reads the ratings at a path to their end, and summarises them.

    Args:
        path: A file or a folder; text in an object store.
        settings: How they are read; by default, everything is guessed.

    Raises:
        BadInputError: If nothing is recognised or a file cannot be read. Bad rows do
            not raise: they are in the summary.
    """
    settings = settings or Settings()
    place = str(path)
    paths = files.list_files(place)
    layout = recognise_for(settings, paths, place)
    # Before any rating is read, so that a wrong column is reported at once.
    found = find_side_files(paths, layout.ratings, settings)
    side = describe_side_files(found, settings)
    tables = [table for table in (side.items, side.users) if table]
    read = [*layout.ratings, *(table.part for table in tables)]
    reader = RatingsReader(settings.rating_min, settings.rating_max, settings.events)
    if layout.event_type:  # read it only to count the types
        columns = {**settings.columns, EVENT_TYPE: layout.event_type}
        with_types = recognise_for(replace(settings, columns=columns), paths, place)
        layout = replace(layout, ratings=with_types.ratings)
    with unchanged(sorted({part.path for part in read})):
        return _inspect(layout, reader, side)


def _inspect(layout: Layout, reader: RatingsReader, side: SideTables) -> DataSummary:
    pairs, groups = PairCounter(), [PairCounter() for _ in GROUPS]
    types: Counter[str] = Counter()
    ratings_range, times = _Range(), _Range()
    blocks = plan_blocks(layout.ratings)
    reports = {block: BlockReport(block) for block in blocks}
    for table, found in read_together(reader, layout.ratings, blocks):
        for block, ratings in found:
            reports[block].add(ratings)
        pairs.add(table[USER_ID], table[ITEM_ID])
        ratings_range.add(table[RATING])
        if EVENT_TYPE in table.column_names:
            types += count_types(table[EVENT_TYPE])
        if reader.events:
            group = reader.events.groups(table[EVENT_TYPE])
            for number, counter in enumerate(groups):
                rows = table.filter(pa.array(group == number))
                counter.add(rows[USER_ID], rows[ITEM_ID])
        if TIMESTAMP in table.column_names:
            times.add(table[TIMESTAMP])
    rows = summarise_reports(list(reports.values()), layout.ratings)
    if rows.fatal:
        raise BadInputError(rows.fatal, rows.fatal_by_kind)
    kept = rows.read - rows.quarantined
    distinct, judged, judged_pairs = [pairs], kept, pairs
    if reader.events:
        distinct, judged_pairs = groups, groups[JUDGED]
        judged = sum(types[name] for name in reader.events.judged)
    num_users, num_items = len(pairs.user_ids), len(pairs.item_ids)
    return DataSummary(
        layout=layout.name,
        files=[part.name for part in layout.ratings],
        reading=layout.reading,
        items_file=_summary(side.items, pairs.item_ids.keys()),
        users_file=_summary(side.users, pairs.user_ids.keys()),
        unused=list(side.unused),
        read=rows.read,
        kept=kept,
        repeated=kept - sum(counter.num_pairs for counter in distinct),
        bad_by_kind=rows.bad_by_kind,
        late_keys=rows.late_keys,
        first_problems=[str(problem) for problem in rows.first_problems],
        users=num_users,
        items=num_items,
        first=_utc(times.bounds[0]) if times.bounds else None,
        last=_utc(times.bounds[1]) if times.bounds else None,
        sparsity=1 - pairs.num_pairs / (num_users * num_items) if kept else 1.0,
        rating_min=ratings_range.bounds[0] if ratings_range.bounds else None,
        rating_max=ratings_range.bounds[1] if ratings_range.bounds else None,
        event_types=dict(types.most_common()),
        judged=judged,
        repeated_judged=judged - judged_pairs.num_pairs,
    )


def _summary(table: SideTable | None, rated: Set[str]) -> SideSummary | None:
    return summarise_side(table, rated) if table else None


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
