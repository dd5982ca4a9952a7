"""Blocks of parts, and rows as they are written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# Most keys that are reported: keys may be data, as in {"u1": 4, "u2": 3}.
MAX_LATE_KEYS = 100


@dataclass(frozen=True)
class Block:
    """A range of one part that one worker reads.

    Attributes:
        part: Index of the part.
        number: Position among all blocks, in reading order.
        begin: First byte, or first row group. A record belongs to the block in which it
            begins.
        end: One past the last byte or row group; 0 to read to the end.
    """

    part: int
    number: int
    begin: int = 0
    end: int = 0


BadRow = tuple[int, str, str, str]
"""1-based line within the block, kind, reason, and text of the row."""


@dataclass(frozen=True)
class Rows:
    """Some consecutive rows of a part, as they are written.

    Attributes:
        columns: Name → values [N]: binary from text, any type from Parquet.
        locate: Returns (1-based line within these lines, text) of each row number.
        bad: Rows that are left out because they have the wrong number of fields.
        begin: Number of lines of the block that precede these.
        num_lines: Number of lines that these rows come from, including blank ones.
        late_keys: Keys of JSON objects that are not among the part's keys → number of
            rows with them; the first ``MAX_LATE_KEYS`` of them.
    """

    columns: dict[str, pa.Array]
    locate: Callable[[npt.NDArray[np.int64]], list[tuple[int, str]]]
    bad: list[BadRow]
    begin: int
    num_lines: int
    late_keys: Mapping[str, int] = field(default_factory=dict)
