"""The form in which served and training features are compared: one row per user.

======================  ==========================================================
``user_id``             whether the training data has the user
``history_item_id``     items of the history
``history_rating``      their ratings
``history_event_type``  their types of events, if the data has such types
``history_length``      number of items
``newest_event``        whether the newest event is at a plausible distance from the
                        request: days since 1970 are more than 40 years before it, and
                        milliseconds are after it
``newest_event_age``    this distance; for drift alone, as events since training make
                        it smaller
``user_<name>``         side features of the user
======================  ==========================================================

All values are texts. Values that the training data lacks are one value, and so are
those that are rare there, and missing ones. Numbers are replaced by tenths of the
training data (quantiles), so that a single large one changes nothing: TFDV divides
numbers between the smallest and the largest one. Items that a request ``like``s are
left out.
"""

import collections
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from pipeline.recommend.user_history import LIKED_BY_ANY_RULE, Histories, History
from trainer_modules import features as f
from trainer_modules.features import Kind

LENGTH, NEWEST, AGE = "history_length", "newest_event", "newest_event_age"
KNOWN, NEW = "in the training data", "(not in the training data)"
RARE, MISSING = "(rare)", "(missing)"
AHEAD, PLAUSIBLE, LONG_AGO = (
    *("(after the request)", "up to 40 years", "(more than 40 years)"),
)
# TFDV compares the 1,000 most frequent values, of which some are those above.
MAX_VALUES = 900
TENTHS = 10
_DAY, _YEAR = 86_400, 31_557_600
_AGES = {
    **{60: "a minute", 3600: "an hour", _DAY: "a day", 7 * _DAY: "a week"},
    **{30 * _DAY: "30 days", _YEAR: "a year", 40 * _YEAR: "40 years"},
}

Row = Mapping[str, list[str]]


@dataclasses.dataclass(frozen=True)
class _Values:
    """The values of a feature in the training data: the frequent ones, and others."""

    frequent: frozenset[str]
    rare: frozenset[str]

    @classmethod
    def counted(cls, counts: collections.Counter[str]) -> "_Values":
        frequent = frozenset(value for value, _ in counts.most_common(MAX_VALUES))
        return cls(frequent, frozenset(counts.keys() - frequent))

    def word(self, value: str) -> str:
        if value in self.frequent:
            return value
        return RARE if value in self.rare else NEW


class _Tenths:
    """The tenths of a feature's numbers in the training data."""

    def __init__(self, numbers: Iterable[float]):
        found = np.fromiter(numbers, float)
        shares = np.arange(TENTHS + 1) / TENTHS
        # The bounds are numbers that occur, so that none is divided between two tenths.
        self._bounds: list[float] = []
        if len(found):
            bounds = np.quantile(found, shares, method="inverted_cdf")
            self._bounds = np.unique(bounds).tolist()

    def word(self, number: float) -> str:
        if not self._bounds or math.isnan(number):
            return NEW
        if number < self._bounds[0]:
            return f"(less than {self._bounds[0]:g})"
        if number > self._bounds[-1]:
            return f"(more than {self._bounds[-1]:g})"
        return f"up to {self._bounds[np.searchsorted(self._bounds, number)]:g}"


class TrainingForm:
    """The training histories of a version, and the form of both sides.

    Attributes:
        histories: The histories, as the server would have them.
        numbers: Names of the side features whose values are numbers.
    """

    def __init__(self, histories: Histories, kinds: Mapping[str, Kind]):
        """Counts the values in the histories.

        Args:
            histories: Histories of the training data, of all its splits.
            kinds: Side features that are not categories.
        """
        self.histories = histories
        self._weighted = {name for name, kind in kinds.items() if kind.is_weighted}
        self._has_times = self._has_types = False
        items = collections.Counter[str]()
        ratings, lengths = collections.Counter[float](), collections.Counter[float]()
        features = dict[str, collections.Counter[str]]()
        for user in histories:
            history = histories.of(user)
            items.update(history.items)
            ratings.update(history.ratings)
            lengths[len(history.items)] += 1
            self._has_times |= bool(history.times)
            self._has_types |= bool(history.event_types)
            for name, values in self._named(history.features).items():
                features.setdefault(name, collections.Counter()).update(values)
        self.numbers = {n for n in features if n in kinds and kinds[n].has_numbers}
        self._items = _Values.counted(items)
        self._ratings = _Tenths(ratings.elements())
        self._lengths = _Tenths(lengths.elements())
        self._categories = {
            name: _Values.counted(counts)
            for name, counts in features.items()
            if name not in self.numbers
        }
        self._numbers = {
            name: _Tenths(map(_number, features[name].elements()))
            for name in self.numbers
        }

    @property
    def side_features(self) -> set[str]:
        """Names of the users' side features."""
        return {*self._categories, *self._numbers}

    def row(self, user: str, history: History, at: int) -> Row:
        """Returns a history in the form.

        Args:
            user: ID of the user.
            history: The user's history.
            at: Time of the request, in seconds UTC.
        """
        rated = [
            place
            for place, rating in enumerate(history.ratings)
            if rating < LIKED_BY_ANY_RULE
        ]
        given = self._named(history.features)
        row = {
            f.USER_ID: [KNOWN if user in self.histories else NEW],
            f.HISTORY_ITEM_ID: [self._items.word(history.items[n]) for n in rated],
            f.HISTORY_RATING: [self._ratings.word(history.ratings[n]) for n in rated],
            LENGTH: [self._lengths.word(len(rated))],
            **{
                name: [values.word(value) for value in given.get(name, ())] or [MISSING]
                for name, values in self._categories.items()
            },
            **{
                name: [tenths.word(_number(text)) for text in given.get(name, ())]
                or [MISSING]
                for name, tenths in self._numbers.items()
            },
        }
        if self._has_types:
            types = history.event_types
            row[f.HISTORY_EVENT_TYPE] = [
                types[n] if n < len(types) else MISSING for n in rated
            ]
        return row | (_newest(history.times, at) if self._has_times else {})

    def _named(self, features: Sequence[str]) -> dict[str, list[str]]:
        """Returns the values of a user's side features by name, without weights."""
        named = dict[str, list[str]]()
        for name, value in _pairs(features):
            if name in self._weighted:
                value = value.rpartition(":")[0]
            named.setdefault(name, []).append(value)
        return named


def _pairs(features: Sequence[str]) -> Iterator[tuple[str, str]]:
    for feature in features:
        name, _, value = feature.partition("=")
        if f.is_user_feature(name):  # not the age for a rule
            yield name, value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan  # as the model reads it


def _newest(times: Sequence[int], at: int) -> dict[str, list[str]]:
    """Returns how long the newest event was before a request."""
    if not times:
        return {NEWEST: [MISSING], AGE: [MISSING]}
    age = at - max(times)
    ages = [f"up to {words}" for seconds, words in _AGES.items() if age <= seconds]
    if age < -_DAY:
        return {NEWEST: [AHEAD], AGE: [AHEAD]}
    return {NEWEST: [PLAUSIBLE if ages else LONG_AGO], AGE: [*ages, LONG_AGO][:1]}
