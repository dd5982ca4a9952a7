"""Converts rows, as they are written, to checked ratings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.events import Events
from components.ratings_example_gen.parts import TEXT, Part
from components.ratings_example_gen.read.bad_rows import (
    Faults,
    name_faults,
    naming_type,
)
from components.ratings_example_gen.read.blocks import read_rows
from components.ratings_example_gen.read.event_types import to_event_types
from components.ratings_example_gen.read.ids import to_ids
from components.ratings_example_gen.read.numbers import to_numbers
from components.ratings_example_gen.read.rows import BadRow, Block, Rows
from components.ratings_example_gen.read.times import to_times
from components.ratings_example_gen.recognise.column_names import (
    EVENT_TYPE,
    ITEM_ID,
    RATING,
    TIMESTAMP,
    USER_ID,
)


@dataclass(frozen=True)
class Ratings:
    """The good rows of some consecutive lines, and what is wrong with the others.

    Attributes:
        table: ``user_id`` and ``item_id`` string, ``rating`` float32, and, if the data
            has times, ``timestamp`` int64 in seconds UTC; ``event_type`` string, if
            that column is read; in the order of the file.
        bad: The other rows; lines are counted from the block's first.
        end: Number of lines of the block up to here, with blank lines and the header.
        late_keys: As in ``Rows``.
    """

    table: pa.Table
    bad: list[BadRow]
    end: int
    late_keys: Mapping[str, int] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """The number of rows read, good and bad."""
        return self.table.num_rows + len(self.bad)


class RatingsReader:
    """Converts blocks of one layout to checked ratings.

    Attributes:
        rating_min: Lowest rating that is accepted; None for no limit.
        rating_max: Highest rating that is accepted; None for no limit.
        events: The types of events, whose weights are the ratings; None to read these.
    """

    def __init__(
        self,
        rating_min: float | None = None,
        rating_max: float | None = None,
        events: Events | None = None,
    ):
        self.rating_min = rating_min
        self.rating_max = rating_max
        self.events = events

    def read(self, part: Part, block: Block) -> Iterator[Ratings]:
        """Yields the block's ratings; lines are counted from the block's first.

        Raises:
            BadInputError: If the archive is cut short or a line is too long.
        """
        for rows in read_rows(part, block):
            yield self.check(part, rows)

    def check(self, part: Part, rows: Rows) -> Ratings:
        """Converts the columns, and takes out the rows that do not convert."""
        faults = Faults(len(rows.columns[USER_ID]))
        columns = {}
        for name in (USER_ID, ITEM_ID):
            with naming_type(part, name, rows.columns[name]):
                columns[name] = to_ids(rows.columns[name], name, part, faults)
        _find_repeated_header(columns, part, faults)
        if EVENT_TYPE in rows.columns:
            with naming_type(part, EVENT_TYPE, rows.columns[EVENT_TYPE]):
                columns[EVENT_TYPE] = to_event_types(
                    rows.columns[EVENT_TYPE], part, faults, self.events
                )
        if self.events:
            columns[RATING] = self.events.ratings(columns[EVENT_TYPE])
        elif RATING in rows.columns:
            with naming_type(part, RATING, rows.columns[RATING]):
                columns[RATING] = self._to_ratings(rows.columns[RATING], part, faults)
        else:
            columns[RATING] = np.ones(faults.num_rows, np.float32)
        if TIMESTAMP in rows.columns:
            with naming_type(part, TIMESTAMP, rows.columns[TIMESTAMP]):
                columns[TIMESTAMP] = to_times(rows.columns[TIMESTAMP], part, faults)
        table = pa.table(columns)
        if faults.any:
            table = table.filter(pa.array(faults.good))
        bad = name_faults(rows, faults)
        return Ratings(table, bad, rows.begin + rows.num_lines, rows.late_keys)

    def _to_ratings(
        self, values: pa.Array, part: Part, faults: Faults
    ) -> npt.NDArray[np.float32]:
        numbers = to_numbers(
            values, "rating", input_errors.NON_NUMERIC_RATING, part, faults
        )
        low, high = self.rating_min, self.rating_max
        outside = np.zeros(len(numbers), np.bool_)
        if low is not None:
            outside |= numbers < low
        if high is not None:
            outside |= numbers > high
        faults.add(
            outside,
            input_errors.RATING_OUT_OF_RANGE,
            f"rating outside {_bound(low)} to {_bound(high)}",
        )
        with np.errstate(over="ignore"):  # infinite, which is found below
            as_float32 = numbers.astype(np.float32)
        faults.add(
            ~np.isfinite(as_float32), input_errors.NOT_FINITE, "rating is not finite"
        )
        return as_float32


def _find_repeated_header(
    columns: Mapping[str, pa.Array], part: Part, faults: Faults
) -> None:
    """Marks rows that repeat the header, as in several files joined to one."""
    if part.format != TEXT or not part.dialect.header or not part.keys:
        return
    same = [
        pc.equal(columns[name], part.keys[index].strip()).to_numpy(False)
        for name, index in part.columns
        if name in (USER_ID, ITEM_ID)
    ]
    faults.add(
        np.logical_and(*same),
        input_errors.REPEATED_HEADER,
        "the header again (were several files joined?)",
    )


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
