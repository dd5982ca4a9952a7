"""What is read: blocks of parts, and rows as they are written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# Keys may be values, as in {"u1": 4, "u2": 3}: this many are named.
MAX_LATE_KEYS = 100


@dataclass(frozen=True)
class Block:
    """A piece of one part that is read by one worker.

    Attributes:
        part: Index of the part.
        number: Position among all blocks, in reading order.
        begin: First byte, or first row group. A record belongs to the block in which it
            begins.
        end: One past the last byte or row group; 0 for a stream to its end.
    """

    part: int
    number: int
    begin: int = 0
    end: int = 0


BadRow = tuple[int, str, str, str]
"""1-based line within the block, kind, reason, text."""


@dataclass(frozen=True)
class Rows:
    """Some consecutive rows of a part, still as they were written.

    Attributes:
        columns: Each column's values: binary from text, any type from Parquet.
        locate: Turns row numbers into (1-based line within these lines, text).
        bad: Rows already left out because they have the wrong number of fields.
        begin: Lines of the block that come before these.
        num_lines: Lines that these rows were read from, blank ones too.
        late_keys: Keys of JSON objects that are not among the part's keys → rows with
            them; the first ``MAX_LATE_KEYS`` of them.
    """

    columns: dict[str, pa.Array]
    locate: Callable[[npt.NDArray[np.int64]], list[tuple[int, str]]]
    bad: list[BadRow]
    begin: int
    num_lines: int
    late_keys: Mapping[str, int] = field(default_factory=dict)
