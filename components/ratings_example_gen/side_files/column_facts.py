"""What a feature's column contains: the kind that is proposed for it, and oddities."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.read.numbers import to_number
from components.ratings_example_gen.read.times import shown_day, to_days
from trainer_modules.features import CATEGORY, NUMERIC, TEXT, TIME, VECTOR

# So few different values are categories, each with enough examples to learn from.
FEW_VALUES = 20
# A whole number of a quantity recurs less often than that of a code, on average.
_MAX_RECURRENCE = 5
# From as many words in a value on average, different values are texts.
_TEXT_WORDS = 4
# More different values than these are not counted, and do not affect the proposal.
MAX_DISTINCT = 100_000
# Above this share of rows with the same value, or without any, a column is reported.
_SKEWED = 0.99
_CODE = re.compile(r"(.*_)?(id|code|zip|zipcode|postcode|plz|phone|isbn|ean|sku)")
# Values shown for a feature.
MAX_VALUES = 3


def oddity_of_counts(rows: int, missing: int, most: int, common: str) -> str | None:
    """Returns why a model can learn little from a column; None if it may.

    Args:
        rows: Number of rows.
        missing: Number of rows without a value.
        most: Number of rows with the most common value.
        common: The most common value, in words.
    """
    if missing == rows:
        return "no row has a value"
    if missing > _SKEWED * rows:
        return f"missing in {missing / rows:.1%} of the rows"
    if most == rows:
        return f"every row has {common}"
    if most > _SKEWED * rows:
        return f"{most / rows:.1%} of the rows have {common}"
    return None


class ColumnFacts:
    """The values of one feature so far.

    Attributes:
        example: The values of the first row that has any.
        has_several: Whether some row has several values.
        rows: Number of rows.
        missing: Number of rows without a value.
    """

    def __init__(self, name: str, dialect: Dialect) -> None:
        """Begins without rows; the dialect has the marks of numbers."""
        self.example: list[str] = []
        self.has_several = False
        self.rows = 0
        self.missing = 0
        self._name = name
        self._dialect = dialect
        self._counts: Counter[str] = Counter()
        self._lengths: set[int] = set()

    def add(self, rows: Sequence[Sequence[str | float]]) -> None:
        """Adds the values of some rows."""
        for row in rows:
            values = [str(value) for value in row]
            self.rows += 1
            self.missing += not values
            self._lengths.add(len(values))
            self.has_several |= len(values) > 1
            if len(values) > len(self.example) <= 1:
                self.example = values[:MAX_VALUES]
            for value in dict.fromkeys(values):  # a row counts once
                if value in self._counts or len(self._counts) < MAX_DISTINCT:
                    self._counts[value] += 1

    @property
    def distinct(self) -> int:
        """Number of different values, at most ``MAX_DISTINCT``."""
        return len(self._counts)

    @property
    def length(self) -> int | None:
        """Number of values that each row has; None if rows differ, or have none."""
        lengths = self._lengths - {0}
        return next(iter(lengths)) if len(lengths) == 1 else None

    def oddity(self) -> str | None:
        """Returns why a model can learn little from the column; None if it may."""
        [(value, count), *_] = self._counts.most_common(1) or [("", 0)]
        return oddity_of_counts(self.rows, self.missing, count, repr(value))

    def proposed_kind(self) -> tuple[str, str | None]:
        """Returns the kind that fits the values, and the evidence for it.

        The evidence is None if nothing suggests another kind than a category.
        """
        numbers = [to_number(text, self._dialect) for text in self._counts]
        odd = [t for t, n in zip(self._counts, numbers, strict=True) if math.isnan(n)]
        if not numbers or 2 * len(odd) > len(numbers):
            return self._kind_of_words()
        if odd:
            return CATEGORY, f"some values are not numbers, such as {odd[0]!r}"
        if self.has_several:
            return self._kind_of_several(numbers)
        if len(numbers) <= FEW_VALUES:
            return CATEGORY, f"only {len(numbers)} different numbers"
        if reason := self._reason_for_codes(numbers):
            return CATEGORY, reason
        return NUMERIC, (
            f"{len(numbers):,} different numbers from {min(numbers):g} to "
            f"{max(numbers):g}"
        )

    def _kind_of_words(self) -> tuple[str, str | None]:
        days = [to_days(text, self._dialect) for text in self._counts]
        if self.distinct > FEW_VALUES and not any(map(math.isnan, days)):
            if self.has_several:
                return CATEGORY, "some rows have several times"
            first, last = shown_day(min(days)), shown_day(max(days))
            return TIME, f"{self.distinct:,} different times from {first} to {last}"
        num_words = sum(len(text.split()) for text in self._counts)
        is_long = num_words >= _TEXT_WORDS * self.distinct
        if self.distinct > FEW_VALUES and is_long and not self._recurs(2):
            mean = f"{num_words / self.distinct:.0f} words on average"
            return TEXT, f"{self.distinct:,} different texts of {mean}"
        return CATEGORY, None

    def _kind_of_several(self, numbers: Sequence[float]) -> tuple[str, str]:
        if self.length is None or all(number.is_integer() for number in numbers):
            return CATEGORY, "some rows have several numbers"
        # As a category, hardly any of these numbers would occur twice.
        return VECTOR, f"each row has {self.length:,} numbers"

    def _recurs(self, times: int) -> bool:
        """Returns whether values occur more than so many times on average."""
        return self._counts.total() > times * self.distinct

    def _reason_for_codes(self, numbers: Sequence[float]) -> str | None:
        """Returns why numbers are probably codes; None if they are quantities."""
        for text in self._counts:
            if re.fullmatch(r"0\d+", text):
                return f"some numbers begin with 0, such as {text!r}"
        if _CODE.fullmatch(self._name):
            return "the name is that of codes"
        if not all(number.is_integer() for number in numbers):
            return None
        lengths = {len(text) for text in self._counts}
        if len(lengths) == 1 and min(lengths) > 2:
            return f"whole numbers of {min(lengths)} digits, as in years and codes"
        if self._recurs(_MAX_RECURRENCE):
            return f"each of {len(numbers):,} whole numbers recurs often"
        return None
