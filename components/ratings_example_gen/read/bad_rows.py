"""Records which rows are bad, and why."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.rows import BadRow, Rows

Mask = npt.NDArray[np.bool_]


class Faults:
    """The first fault of each row."""

    def __init__(self, num_rows: int):
        self.num_rows = num_rows
        self._code = np.zeros(num_rows, np.uint8)
        self._names: list[tuple[str, str]] = [("", "")]

    def add(self, mask: Mask, kind: str, reason: str) -> None:
        """Adds a fault to the rows in a mask [N], unless they have one already."""
        if mask.any():
            self._names.append((kind, reason))
            self._code[mask & (self._code == 0)] = len(self._names) - 1

    @property
    def any(self) -> bool:
        """Whether any row is bad."""
        return len(self._names) > 1

    @property
    def good(self) -> Mask:
        """[N] whether each row is good."""
        return self._code == 0

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The 0-based numbers of the bad rows."""
        return np.flatnonzero(self._code)

    def kinds_and_reasons(self) -> list[tuple[str, str]]:
        """Returns the kind and reason of the fault of each bad row."""
        return [self._names[code] for code in self._code[self._code > 0]]


def name_faults(rows: Rows, faults: Faults) -> list[BadRow]:
    """Returns all bad rows, with lines counted from the block's first line."""
    bad = rows.bad
    if faults.any:
        places = rows.locate(faults.rows)
        named = zip(places, faults.kinds_and_reasons(), strict=True)
        bad = sorted([(line, *what, text) for (line, text), what in named] + rows.bad)
    return [(rows.begin + line, kind, reason, text) for line, kind, reason, text in bad]


@contextmanager
def naming_type(part: Part, name: str, values: pa.Array) -> Iterator[None]:
    """Names the column that Arrow cannot convert: Parquet has many types.

    Raises:
        BadInputError: If the type of the column is not supported.
    """
    try:
        yield
    except pa.ArrowException as error:
        raise fatal(
            part.name,
            input_errors.HEADER_MISMATCH,
            f"its column of {name} is of type {values.type}, which is not supported",
            "Write ids as text or whole numbers, ratings as numbers, times as "
            "timestamps, ISO 8601 or numbers.",
        ) from error
