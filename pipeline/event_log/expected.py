"""What an event must have so that ``retrain`` can read it: checked on arrival.

An event that the reader would count as a bad row would stop the next retraining.
"""

import ast
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from components.ratings_example_gen import spans
from components.ratings_example_gen.counts import COUNTS_FILE
from components.ratings_example_gen.recognise.reading import (
    NO_COLUMN,
    ColumnReading,
    Reading,
)
from components.ratings_example_gen.settings import Settings
from pipeline.recommend.request_time import seconds_of

FUTURE_SECONDS = 300  # by which a client's clock may be ahead
MAX_ID = 512  # characters
MEANINGS = ("user_id", "item_id", "rating", "event_type", "timestamp")
# The years 1990 to 2100, as in schema/ratings.pbtxt: others are anomalies.
FIRST_TIME, LAST_TIME = 631_152_000, 4_102_444_800
_BLANKS = " \t\n\r\v\f"

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]


class EventError(ValueError):
    """An event that the data of the live version cannot have."""


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a user did with an item.

    Attributes:
        event_id: Identifies the event: of several with the same ID, the first counts.
        user_id: ID of the user; new ones are accepted.
        item_id: ID of the item; new ones are accepted.
        event_type: One of ``events.types``, for data that has types of events.
        rating: The user's rating, for data that has ratings.
        timestamp: When it happened: seconds UTC, or ISO 8601; now if it is missing.
    """

    event_id: Id
    user_id: Id
    item_id: Id
    event_type: str | None = None
    rating: float | None = None
    timestamp: int | str | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """An event as it is stored.

    Attributes:
        event_id: ID of the event.
        user_id: ID of the user.
        item_id: ID of the item.
        rating: The rating, the weight of the type, or 1; in the unit of the data.
        event_type: The type, or "" if the data has none.
        timestamp: When it happened, in seconds UTC.
    """

    event_id: str
    user_id: str
    item_id: str
    rating: float
    event_type: str
    timestamp: int


@dataclasses.dataclass(frozen=True)
class Expected:
    """What events must have.

    Attributes:
        columns: Meaning → column of the data that the live version was accepted with.
            Only these are written to spans.
        weights: Type of events → weight; None if the data has no such types.
        lowest: Lowest rating; None for any.
        highest: Highest rating; None for any.
        nulls: Texts that stand for a missing value, which cannot be IDs.
        keeps_blanks: Whether blanks around an ID belong to it.
        days: Days of the spans that the data was read from, in days since 1970: events
            that arrived on them are in the data. Empty if it has no spans with dates.
    """

    columns: Mapping[str, str]
    weights: Mapping[str, float] | None
    lowest: float | None
    highest: float | None
    nulls: tuple[str, ...]
    keeps_blanks: bool
    days: frozenset[int]

    @property
    def has_types(self) -> bool:
        """Whether the data has types of events."""
        return self.weights is not None

    @property
    def has_times(self) -> bool:
        """Whether the data has times."""
        return "timestamp" in self.columns

    @classmethod
    def of(cls, examples: Path, settings: Mapping[str, Any]) -> "Expected":
        """Finds what events must have.

        Args:
            examples: Output folder of ``RatingsExampleGen``.
            settings: The step's settings.
        """
        reader = msgspec.convert(dict(settings), Settings)
        counts = examples / COUNTS_FILE
        reading = None
        if counts.exists():
            reading = msgspec.json.decode(counts.read_bytes(), type=_Recorded).reading
        return cls(
            columns=_columns(reading, has_types=reader.events is not None),
            weights=reader.events.weights if reader.events else None,
            lowest=reader.rating_min,
            highest=reader.rating_max,
            nulls=reader.dialect.nulls,
            keeps_blanks=reader.dialect.keep_blanks,
            days=frozenset(
                spans.number_of(name) for name in reader.spans if "-" in name
            ),
        )

    def row(self, event: Event, now: int) -> Row:
        """Checks an event.

        Args:
            event: The event.
            now: The present time, in seconds UTC.

        Raises:
            EventError: If the data cannot have it.
        """
        for name in ("user_id", "item_id"):
            self._check_id(name, getattr(event, name))
        return Row(
            event_id=event.event_id,
            user_id=event.user_id,
            item_id=event.item_id,
            rating=self._rating(event),
            event_type=event.event_type or "",
            timestamp=_time(event.timestamp, now),
        )

    def written(self, row: Row) -> dict[str, str | float | int]:
        """Returns a row as it is written to a span, by the names of the columns."""
        return {
            column: getattr(row, meaning) for meaning, column in self.columns.items()
        }

    def _check_id(self, name: str, text: str) -> None:
        problem = ""
        if "\0" in text:
            problem = "has a NUL character"
        elif not self.keeps_blanks and text.strip(_BLANKS) != text:
            problem = "has blanks around it"
        elif text in self.nulls:
            problem = "means a missing value (data.null_values)"
        elif not _is_unicode(text):
            problem = "has half of a surrogate pair"
        if problem:
            raise EventError(f"{name} {text[:40]!r} {problem}")

    def _rating(self, event: Event) -> float:
        if self.weights is not None:
            if event.rating is not None:
                raise EventError("rating: this data has types of events, no ratings")
            kind = event.event_type
            if kind is None or kind not in self.weights:
                types = ", ".join(sorted(self.weights))
                raise EventError(f"event_type {kind!r:.40} is none of {types}")
            return self.weights[kind]
        if event.event_type is not None:
            raise EventError("event_type: this data has no types of events")
        if "rating" not in self.columns:
            if event.rating is not None:
                raise EventError("rating: this data has no ratings")
            return 1.0
        lowest = -math.inf if self.lowest is None else self.lowest
        highest = math.inf if self.highest is None else self.highest
        if event.rating is None or not lowest <= event.rating <= highest:
            raise EventError(
                f"rating {event.rating}: expected a number from {lowest:g} to "
                f"{highest:g}"
            )
        return event.rating


class _Recorded(msgspec.Struct):
    """The part of ``counts.json`` that is needed."""

    reading: Reading | None = None


def _columns(reading: Reading | None, has_types: bool) -> dict[str, str]:
    """Returns meaning → column, in the order of ``MEANINGS``.

    Without a reading, the files were in a layout whose names determine everything.
    """
    if reading is None:
        return {name: name for name in MEANINGS if name != "event_type"}
    read = {column.meaning: column for column in reading.columns}
    return {
        meaning: _name(read[meaning])
        for meaning in MEANINGS
        if meaning in read
        and read[meaning].column != NO_COLUMN
        and not (meaning == "rating" and has_types)
    }


def _name(column: ColumnReading) -> str:
    """Returns the header of a column; its meaning if it was read by position."""
    text = column.column
    is_header = text[:1] in ("'", '"') and text.endswith(text[:1])
    return ast.literal_eval(text) if is_header else column.meaning


def _time(given: int | str | None, now: int) -> int:
    if given is None:
        return now
    try:
        seconds = given if isinstance(given, int) else seconds_of(given)
    except (ValueError, OverflowError) as error:
        raise EventError(
            f"timestamp {given!r:.40}: expected seconds UTC, or a time such as "
            "2026-11-20T12:30Z"
        ) from error
    if seconds > now + FUTURE_SECONDS:
        raise EventError(
            f"timestamp {given!r:.40} is {seconds - now} s in the future: expected "
            "seconds UTC, not milliseconds"
        )
    if not FIRST_TIME <= seconds <= LAST_TIME:
        raise EventError(f"timestamp {given!r:.40}: expected one from 1990 to 2100")
    return seconds


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
