"""What a feature's column contains: the kind that is proposed for it, and oddities."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.read.numbers import to_number
from components.ratings_example_gen.read.times import shown_day, to_days
from trainer_modules.features import CATEGORY, NUMERIC, TEXT, TIME

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
_MAX_VALUES = 3


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

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Adds the values of some rows."""
        for values in rows:
            self.rows += 1
            self.missing += not values
            self.has_several |= len(values) > 1
            if len(values) > len(self.example) <= 1:
                self.example = list(values[:_MAX_VALUES])
            for value in values:
                if value in self._counts or len(self._counts) < MAX_DISTINCT:
                    self._counts[value] += 1

    @property
    def distinct(self) -> int:
        """Number of different values, at most ``MAX_DISTINCT``."""
        return len(self._counts)

    def oddity(self) -> str | None:
        """Returns why a model can learn little from the column; None if it may."""
        if self.missing == self.rows:
            return "no row has a value"
        if self.missing > _SKEWED * self.rows:
            return f"missing in {self.missing / self.rows:.1%} of the rows"
        value, count = self._counts.most_common(1)[0]
        if self.distinct == 1 and not self.missing:
            return f"every row has {value!r}"
        if count > _SKEWED * self.rows:
            return f"{count / self.rows:.1%} of the rows have {value!r}"
        return None

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
            return CATEGORY, "some rows have several numbers"
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
