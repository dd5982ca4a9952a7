"""How one input is turned into Examples; travels to the executor as JSON."""

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
    """Everything, beside the files, that decides what the Examples hold.

    Attributes:
        columns: ``user_id``, ``item_id``, ``rating``, ``timestamp`` → column name or
            0-based number; empty means by layout and header.
        dialect: What a person said of how text, numbers and times are written; what is
            None is guessed.
        users: File with side features of users; ``none`` for no file; None looks for
            one among the ratings.
        items: File with side features of items, in the same way; read by CatalogueGen.
        user_columns: ``user_id`` → column name or 0-based number in the users file;
            empty means by its header.
        item_columns: ``item_id``, ``title`` → the same in the items file.
        split_kind: One of ``KINDS``.
        eval_fraction: Share of the ratings for eval (``temporal``, ``random``).
        test_fraction: Share of the ratings for test (``temporal``, ``random``).
        seed: Of the ``random`` split.
        repeats: Which rating of a pair (user, item) counts, one of ``REPEATS``; see
            ``histories.group_ratings``.
        max_history: Ratings a user may have; the newest are kept.
        max_bad_fraction: Share of rows that may be bad before the run is refused.
        rating_min: Lowest rating accepted, None for any.
        rating_max: Highest rating accepted, None for any.
        spans: Names of the spans to read, the oldest first; empty where the input is no
            folder of spans.
        window: Which spans to read of those that are there when the step runs, as
            ``spans.in_window`` takes it; the driver puts their names into ``spans``.
            Empty where the names are given, or there are no spans.
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
        """Refuses values that no run could work with."""
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
                f"max_bad_fraction is {self.max_bad_fraction}; expected 0 up to below 1"
            )

    @property
    def declared(self) -> list[str]:
        """The files that were named for users and items, which hold no ratings."""
        return [path for path in (self.users, self.items) if path]

    def to_json(self) -> str:
        """Returns the settings as text that is equal for equal settings."""
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
