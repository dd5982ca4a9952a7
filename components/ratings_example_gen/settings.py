"""How one input is turned into Examples; passed to the executor as JSON."""

import dataclasses
import json
from dataclasses import dataclass, field

from components.ratings_example_gen.dialect import Dialect

LEAVE_LAST_OUT = "leave_last_out"
TEMPORAL = "temporal"
RANDOM = "random"
KINDS = (LEAVE_LAST_OUT, TEMPORAL, RANDOM)
LATEST, FIRST, HIGHEST = "latest", "first", "highest"
REPEATS = (LATEST, FIRST, HIGHEST)
KINDS_BY_TIME = (LEAVE_LAST_OUT, TEMPORAL)


@dataclass(frozen=True)
class Settings:
    """Everything, beside the files, that determines what the Examples hold.

    Attributes:
        columns: ``user_id``, ``item_id``, ``rating``, ``timestamp`` → name or 0-based
            number of the column; columns that are not named are recognised.
        dialect: How text, numbers and times are written, as a person declared it;
            fields that are None are guessed.
        users: File with side features of users; ``none`` for no file; None to look for
            one beside the ratings.
        items: The same for items; read by CatalogueGen.
        user_columns: ``user_id`` → name or 0-based number of the column in the file of
            users; recognised by the header if it is not named.
        item_columns: ``item_id``, ``title`` → the same in the file of items.
        split_kind: One of ``KINDS``.
        eval_fraction: Share of the ratings for eval, 0 to 1 (``temporal``, ``random``).
        test_fraction: Share of the ratings for test, 0 to 1 (``temporal``, ``random``).
        seed: Seed of the ``random`` split.
        repeats: Which rating of a pair (user, item) counts, one of ``REPEATS``; see
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
    dialect: Dialect = Dialect()
    users: str | None = None
    items: str | None = None
    user_columns: dict[str, str] = field(default_factory=dict)
    item_columns: dict[str, str] = field(default_factory=dict)
    split_kind: str = LEAVE_LAST_OUT
    eval_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 0
    repeats: str = LATEST
    max_history: int = 10_000
    max_bad_fraction: float = 0.0
    rating_min: float | None = None
    rating_max: float | None = None
    spans: tuple[str, ...] = ()
    window: str = ""
    code_version: str = ""

    def __post_init__(self) -> None:
        """Refuses values that no run can work with.

        Raises:
            ValueError: If a value is out of range.
        """
        if self.split_kind not in KINDS:
            raise ValueError(
                f"split_kind is {self.split_kind!r}; expected one of {KINDS}"
            )
        fractions = (self.eval_fraction, self.test_fraction)
        if min(fractions) <= 0 or sum(fractions) >= 1:
            raise ValueError(
                f"eval_fraction and test_fraction are {fractions}; both must be above "
                "0 and their sum below 1, so that train keeps something"
            )
        if self.repeats not in REPEATS:
            raise ValueError(f"repeats is {self.repeats!r}; expected one of {REPEATS}")
        if self.max_history < 3:
            raise ValueError(
                f"max_history is {self.max_history}; a user needs 3 ratings for three "
                "splits"
            )
        if not 0 <= self.max_bad_fraction < 1:
            raise ValueError(
                f"max_bad_fraction is {self.max_bad_fraction}; expected at least 0 and "
                "below 1"
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
        """Reads what ``to_json`` wrote."""
        values = json.loads(text)
        dialect = values.pop("dialect")
        if dialect["null_values"] is not None:
            dialect["null_values"] = tuple(dialect["null_values"])
        values["spans"] = tuple(values["spans"])
        return cls(**values, dialect=Dialect(**dialect))
