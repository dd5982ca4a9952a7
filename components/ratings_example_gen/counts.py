"""The content of ``counts.json``: what RatingsExampleGen read, left out and wrote."""

import dataclasses
import json
from dataclasses import dataclass, field

import msgspec

from components.ratings_example_gen import files
from components.ratings_example_gen.input_errors import Problem
from components.ratings_example_gen.read.block_report import FileRows
from components.ratings_example_gen.recognise.reading import Reading
from components.ratings_example_gen.spans import Overlap

COUNTS_FILE = "counts.json"


@dataclass(frozen=True)
class Counts:
    """What RatingsExampleGen read, left out and wrote.

    ``read = kept + quarantined + duplicates + merged + truncated``.

    Attributes:
        read: Number of rows read, good and bad.
        files: The files of ratings that were read.
        kept: Number of ratings that the Examples hold.
        duplicates: Number of other ratings for a pair of user and item.
        merged: Number of other ratings for a pair that were added to the one kept.
        truncated: Number of the oldest ratings of users who have too many.
        users: Number of users.
        users_with_features: Number of users that the file of users describes.
        users_repeated: Number of its rows that a later row for the same user overrules.
        items: Number of rated items.
        overlaps: Spans that have ratings in common.
        first_users_without: The first users that the file of users lacks.
        first: Time of the oldest rating, in seconds UTC; None without times.
        last: Time of the newest rating, in seconds UTC; None without times.
        rating_min: Lowest rating; None without ratings.
        rating_max: Highest rating; None without ratings.
        duplicate_users: Number of users with the same ratings as another user.
        users_file: Name of the file of users; None if there is none.
        quarantined: Number of bad rows.
        records: Split → number of Examples.
        bad_by_kind: Kind of problem → number of bad rows.
        first_problems: The first ten bad rows.
        late_keys: Keys of JSON objects that recognition did not see → number of rows.
        fatal_by_kind: Kind of problem → number of problems that stopped the reading.
        fatal: The first ten of these.
        reading: How the ratings were read; None if the file names determine it.
        event_types: Type of events → number of kept rows; empty without such types.
    """

    read: int
    files: list[FileRows]
    kept: int
    duplicates: int
    truncated: int
    users: int
    users_with_features: int
    users_repeated: int
    items: int
    overlaps: list[Overlap]
    first_users_without: list[str]
    first: int | None
    last: int | None
    rating_min: float | None
    rating_max: float | None
    duplicate_users: int
    users_file: str | None
    quarantined: int
    records: dict[str, int]
    bad_by_kind: dict[str, int]
    first_problems: list[Problem]
    late_keys: dict[str, int]
    fatal_by_kind: dict[str, int]
    fatal: list[Problem]
    reading: Reading | None
    event_types: dict[str, int] = field(default_factory=dict)
    merged: int = 0

    def to_json(self) -> str:
        """Returns the content of ``counts.json``."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def read_from(cls, folder: str) -> "Counts":
        """Reads the counts in an artifact's folder."""
        with files.open_binary(f"{folder}/{COUNTS_FILE}") as file:
            return msgspec.json.decode(file.read(), type=cls)
