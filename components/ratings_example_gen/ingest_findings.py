"""What the Beam pipeline finds beside the Examples, added up to ``counts.json``."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import apache_beam as beam
import numpy as np
import pyarrow.compute as pc

from components.ratings_example_gen.counts import Counts
from components.ratings_example_gen.events import count_types
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.block_report import (
    BlockReport,
    summarise_reports,
)
from components.ratings_example_gen.recognise.reading import Reading
from components.ratings_example_gen.side_files.summary import MAX_NAMED
from components.ratings_example_gen.side_files.users import UserTable
from components.ratings_example_gen.spans import Overlap
from components.ratings_example_gen.write.user_histories import (
    Histories,
    UInt64,
    fingerprints,
)
from trainer_modules.features import SPLITS

N = TypeVar("N", int, float)

# A user with at least this many ratings, all of them also another user's, is counted as
# a duplicate.
RATINGS_OF_A_DUPLICATE = 5


@dataclass
class BucketCounts:
    """What one bucket of users holds, or several together.

    Attributes:
        kept: Number of ratings.
        duplicates: Number of other ratings for a pair, which were left out.
        merged: Number of other ratings for a pair, which were added to the one kept.
        truncated: Number of the oldest ratings of long histories that were left out.
        users: Number of users.
        users_with_features: Number of users that the file of users describes.
        users_repeated: Number of its rows that a later row overrules.
        items: The rated items.
        overlaps: (older, newer) number of a span → number of ratings in both.
        fingerprints: A number per user with enough ratings, equal for equal histories.
        first_users_without: The first users that the file of users lacks.
        first: Time of the oldest rating, in seconds UTC; None without times.
        last: Time of the newest rating, in seconds UTC; None without times.
        rating_min: Lowest rating; None without ratings.
        rating_max: Highest rating; None without ratings.
        event_types: Type of events → number of rows; empty without such types.
    """

    kept: int = 0
    duplicates: int = 0
    merged: int = 0
    truncated: int = 0
    users: int = 0
    users_with_features: int = 0
    users_repeated: int = 0
    items: set[str] = field(default_factory=set)
    overlaps: Counter[tuple[int, int]] = field(default_factory=Counter)
    fingerprints: UInt64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    first_users_without: list[str] = field(default_factory=list)
    first: int | None = None
    last: int | None = None
    rating_min: float | None = None
    rating_max: float | None = None
    event_types: Counter[str] = field(default_factory=Counter)

    def add(self, other: "BucketCounts") -> None:
        """Adds other buckets' counts; items are counted once."""
        self.kept += other.kept
        self.duplicates += other.duplicates
        self.merged += other.merged
        self.truncated += other.truncated
        self.users += other.users
        self.users_with_features += other.users_with_features
        self.users_repeated += other.users_repeated
        self.items |= other.items
        self.overlaps += other.overlaps
        self.fingerprints = np.concatenate([self.fingerprints, other.fingerprints])
        named = self.first_users_without + other.first_users_without
        self.first_users_without = sorted(named)[:MAX_NAMED]
        self.first = _choose(min, self.first, other.first)
        self.last = _choose(max, self.last, other.last)
        self.rating_min = _choose(min, self.rating_min, other.rating_min)
        self.rating_max = _choose(max, self.rating_max, other.rating_max)
        self.event_types += other.event_types


def _choose(choose: Callable[[N, N], N], one: N | None, other: N | None) -> N | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)


def count_bucket(histories: Histories, known: UserTable) -> BucketCounts:
    """Counts what one bucket holds.

    Args:
        histories: The users of the bucket, and what they rated.
        known: The users of the bucket that the file of users describes.
    """
    times = histories.timestamp
    unknown = [user for user in histories.user_id.to_pylist() if user not in known]
    return BucketCounts(
        kept=len(histories.item_id),
        duplicates=histories.duplicates,
        merged=histories.merged,
        truncated=histories.truncated,
        users=len(histories.user_id),
        users_with_features=len(histories.user_id) - len(unknown),
        items=set(pc.unique(histories.item_id).to_pylist()),
        overlaps=histories.overlaps,
        fingerprints=fingerprints(histories, RATINGS_OF_A_DUPLICATE),
        first_users_without=sorted(unknown)[:MAX_NAMED],
        first=None if times is None else int(times.min()),
        last=None if times is None else int(times.max()),
        rating_min=float(histories.rating.min()),
        rating_max=float(histories.rating.max()),
        event_types=count_types(histories.event_type),
    )


@dataclass(frozen=True)
class UsersFileError:
    """What stopped the reading of the file of users."""

    error: BadInputError


@dataclass(frozen=True)
class WrittenRecords:
    """How many Examples of each split were written."""

    by_split: dict[str, int]


Finding = BlockReport | UsersFileError | BucketCounts | WrittenRecords


@dataclass
class Findings:
    """All findings so far, by their type."""

    reports: list[BlockReport] = field(default_factory=list)
    users_errors: list[BadInputError] = field(default_factory=list)
    counts: BucketCounts = field(default_factory=BucketCounts)
    records: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """Adds one finding."""
        if isinstance(finding, BlockReport):
            self.reports.append(finding)
        elif isinstance(finding, UsersFileError):
            self.users_errors.append(finding.error)
        elif isinstance(finding, BucketCounts):
            self.counts.add(finding)
        else:
            self.records.update(finding.by_split)

    def merge(self, other: "Findings") -> None:
        """Adds the findings of another worker."""
        self.reports += other.reports
        self.users_errors += other.users_errors
        self.counts.add(other.counts)
        self.records.update(other.records)


class Summarise(beam.CombineFn):
    """Adds up all findings to ``Counts``.

    One combination of everything, not one per type of finding: each would cost the
    runner half a second, which is much for a small file.
    """

    def __init__(
        self,
        parts: tuple[Part, ...],
        spans: tuple[str, ...],
        users_file: str | None,
        reading: Reading | None,
    ):
        self._parts = parts
        self._spans = spans
        self._users_file = users_file
        self._reading = reading

    def create_accumulator(self) -> Findings:
        """Returns no findings."""
        return Findings()

    def add_input(self, found: Findings, finding: Finding) -> Findings:
        """Adds one finding."""
        found.add(finding)
        return found

    def merge_accumulators(self, accumulators: Iterable[Findings]) -> Findings:
        """Adds up the findings of several workers."""
        result = Findings()
        for found in accumulators:
            result.merge(found)
        return result

    def extract_output(self, found: Findings) -> Counts:
        """Returns the content of ``counts.json``."""
        counts = found.counts
        rows = summarise_reports(found.reports, self._parts, found.users_errors)
        return Counts(
            read=rows.read,
            files=rows.files,
            kept=counts.kept,
            duplicates=counts.duplicates,
            merged=counts.merged,
            truncated=counts.truncated,
            users=counts.users,
            users_with_features=counts.users_with_features,
            users_repeated=counts.users_repeated,
            items=len(counts.items),
            overlaps=[
                Overlap((self._spans[older], self._spans[newer]), ratings)
                for (older, newer), ratings in sorted(counts.overlaps.items())
            ],
            first_users_without=counts.first_users_without,
            first=counts.first,
            last=counts.last,
            rating_min=counts.rating_min,
            rating_max=counts.rating_max,
            event_types=dict(sorted(counts.event_types.items())),
            duplicate_users=len(counts.fingerprints)
            - len(np.unique(counts.fingerprints)),
            users_file=self._users_file,
            quarantined=rows.quarantined,
            records={split: found.records.get(split, 0) for split in SPLITS},
            bad_by_kind=rows.bad_by_kind,
            first_problems=rows.first_problems,
            late_keys=rows.late_keys,
            fatal_by_kind=rows.fatal_by_kind,
            fatal=rows.fatal,
            reading=self._reading,
        )
