"""What a column of vectors contains: their length, and oddities."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from components.ratings_example_gen.side_files.column_facts import (
    MAX_DISTINCT,
    MAX_VALUES,
    oddity_of_counts,
)
from components.ratings_example_gen.side_files.vectors import Vector
from trainer_modules.features import CATEGORY, VECTOR


class VectorFacts:
    """The vectors of one feature so far, with the interface of ``ColumnFacts``.

    Attributes:
        example: The first numbers of the first vector.
        has_several: False: a vector is one value.
        rows: Number of rows.
        missing: Number of rows without a vector, or with one of zeros.
    """

    def __init__(self) -> None:
        self.example: list[str] = []
        self.has_several = False
        self.rows = 0
        self.missing = 0
        self._lengths: set[int] = set()
        self._counts: Counter[int] = Counter()

    def add(self, rows: Sequence[Vector]) -> None:
        """Adds the vectors of some rows."""
        self.rows += len(rows)
        for vector in rows:
            if len(vector):
                self._lengths.add(len(vector))
            if not np.any(vector):
                self.missing += 1
                continue
            if not self.example:
                self.example = [f"{number:g}" for number in vector[:MAX_VALUES]]
                self.example += ["…"] * (len(vector) > MAX_VALUES)
            content = hash(vector.tobytes())
            if content in self._counts or len(self._counts) < MAX_DISTINCT:
                self._counts[content] += 1

    @property
    def distinct(self) -> int:
        """Number of different vectors, at most ``MAX_DISTINCT``."""
        return len(self._counts)

    @property
    def length(self) -> int | None:
        """Length of all vectors; None if they differ, or there are none."""
        return next(iter(self._lengths)) if len(self._lengths) == 1 else None

    def oddity(self) -> str | None:
        """Returns why a model can learn little from the column; None if it may."""
        if len(self._lengths) > 1:
            lengths = f"{min(self._lengths):,} to {max(self._lengths):,}"
            return f"lists of {lengths} numbers, which are not vectors of one length"
        count = max(self._counts.values(), default=0)
        return oddity_of_counts(self.rows, self.missing, count, "the same vector")

    def proposed_kind(self) -> tuple[str, str | None]:
        """Returns the kind that fits the values, and the evidence for it."""
        if self.length is None:
            return CATEGORY, None
        return VECTOR, f"each row has {self.length:,} numbers"
