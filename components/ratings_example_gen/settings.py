"""How one input is turned into Examples; passed to the executor as JSON."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.events import Events
from trainer_modules.configs.types import ShareBelow1
from trainer_modules.features import Kind

SplitKind = Literal["leave_last_out", "temporal", "random"]
Repeats = Literal["latest", "first", "highest", "count", "all"]
MaxHistory = Annotated[int, Meta(ge=3)]  # a rating for each of the three splits
MaxBadFraction = Annotated[float, Meta(ge=0, lt=1)]

LEAVE_LAST_OUT: SplitKind = "leave_last_out"
TEMPORAL: SplitKind = "temporal"
RANDOM: SplitKind = "random"
LATEST: Repeats = "latest"
FIRST: Repeats = "first"
HIGHEST: Repeats = "highest"
COUNT: Repeats = "count"
ALL: Repeats = "all"
KINDS_BY_TIME = (LEAVE_LAST_OUT, TEMPORAL)


@dataclass(frozen=True)
class Settings:
    """Everything, beside the files, that determines what the Examples hold.

    Attributes:
        columns: ``user_id``, ``item_id``, ``rating``, ``timestamp``, ``event_type`` →
            name or 0-based number of the column; columns that are not named are
            recognised.
        events: What the types of events mean, whose weights are the ratings; None if
            the ratings are read.
        dialect: How text, numbers and times are written, as a person declared it;
            fields that are None are guessed.
        users: File with side features of users; ``none`` for no file; None to look for
            one beside the ratings.
        items: The same for items; read by CatalogueGen.
        user_columns: ``user_id`` → name or 0-based number of the column in the file of
            users; recognised by the header if it is not named.
        item_columns: ``item_id``, ``title`` → the same in the file of items.
        kinds: Side features of items and users that are not categories.
        split_kind: How ratings are divided into train, eval and test.
        eval_fraction: Share of the ratings for eval, 0 to 1 (``temporal``, ``random``).
        test_fraction: Share of the ratings for test, 0 to 1 (``temporal``, ``random``).
        seed: Seed of the ``random`` split and of the items that are held out.
        held_out_items: Share of the items, 0 to 1, all of whose ratings are for test.
        repeats: Which rating of a pair (user, item) counts; see
            ``user_histories.group_ratings``.
        max_history: Largest number of ratings per user; the newest are kept.
        max_bad_fraction: Share of bad rows, 0 to 1, above which a run is refused.
        rating_min: Lowest rating that is accepted; None for any.
        rating_max: Highest rating that is accepted; None for any.
        spans: Names of the spans to read, the oldest first; empty if the input is not a
            folder of spans.
        window: Which of the spans that exist when the step runs are read, in the form
            that ``spans.in_window`` takes; the driver replaces it by names in
            ``spans``. Empty if these are given, or there are no spans.
        code_version: Hash of the sources; part of the cache key, otherwise unused.
    """

    columns: dict[str, str] = field(default_factory=dict)
    events: Events | None = None
    dialect: Dialect = Dialect()
    users: str | None = None
    items: str | None = None
    user_columns: dict[str, str] = field(default_factory=dict)
    item_columns: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    split_kind: SplitKind = LEAVE_LAST_OUT
    eval_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 0
    held_out_items: ShareBelow1 = 0.0
    repeats: Repeats = LATEST
    max_history: MaxHistory = 10_000
    max_bad_fraction: MaxBadFraction = 0.0
    rating_min: float | None = None
    rating_max: float | None = None
    spans: tuple[str, ...] = ()
    window: str = ""
    code_version: str = ""

    def __post_init__(self) -> None:
        """Rejects fractions that leave nothing to train on.

        Raises:
            ValueError: If they do.
        """
        fractions = (self.eval_fraction, self.test_fraction)
        if min(fractions) <= 0 or sum(fractions) >= 1:
            raise ValueError(
                f"eval_fraction and test_fraction are {fractions}; both must be above "
                "0 and their sum below 1, so that train keeps something"
            )

    @property
    def declared(self) -> list[str]:
        """The files named for users and items, which hold no ratings."""
        return [path for path in (self.users, self.items) if path]

    def to_json(self) -> str:
        """Returns the settings as JSON, which is equal for equal settings."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """Reads what ``to_json`` wrote.

        Raises:
            ValueError: If a value has the wrong type or is outside its bounds.
        """
        return msgspec.json.decode(text, type=cls)
