"""The training pairs: closed forms solve them, other models sample them.

A pair takes eight bytes, eight more for its label and stars, and eight more for its
time, for models that read it. They are in files (``disk_arrays.py``), as is what is
made of them for batches, so that their number is not bounded by memory.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from trainer_modules import features as f
from trainer_modules.disk_arrays import (
    Writer,
    blocks,
    computed,
    counts,
    sorted_places,
    stored,
)

Indices = npt.NDArray[np.int32]
Stars = npt.NDArray[np.float32]
Seconds = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Ratings:
    """Rated pairs in the order of the records; each user's own in the order of time.

    Attributes:
        user_index: Vocabulary indices of the users, [N].
        item_index: Vocabulary indices of the items, [N].
        label: 1 for liked, 0 for disliked and -1 for neither, [N].
        rating: Stars, [N].
        timestamp: Times in seconds UTC, 0 if unknown, [N]; None if the model does not
            read them.
        judged: 1 for ratings that may be targets of eval, else 0, [N]; None if all may.
    """

    user_index: Indices
    item_index: Indices
    label: Indices
    rating: Stars
    timestamp: Seconds | None = None
    judged: Indices | None = None

    def __len__(self) -> int:
        return len(self.user_index)

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Ratings":
        """Returns the ratings that a mask [N], or positions in the log, select."""
        if chosen.dtype == np.bool_ and chosen.all():
            return self  # rather than a copy
        if chosen.dtype == np.bool_:
            chosen = _places(chosen)

        def column_of(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return computed(
                lambda rows: column[chosen[rows]], len(chosen), column.dtype
            )

        columns = self._columns().items()
        return Ratings(**{name: column_of(column) for name, column in columns})

    def joined(self, other: "Ratings") -> "Ratings":
        """Returns both; each user's ratings are followed by those of ``other``."""
        others = other._columns()
        both = Ratings(
            **{
                name: stored([column, others[name]], column.dtype)
                for name, column in self._columns().items()
            }
        )
        return both.where(sorted_places(both.user_index))

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        """Returns the columns that were read, by name."""
        return {
            name: column for name, column in vars(self).items() if column is not None
        }

    def mean(self) -> float:
        """Returns the mean of all stars; 0 without ratings."""
        return float(self.rating.mean(dtype=np.float64)) if len(self) else 0.0

    def targets(self) -> "Ratings":
        """Returns the ratings that may be targets of eval."""
        return self if self.judged is None else self.where(self.judged == 1)

    def firsts(self) -> npt.NDArray[np.int64]:
        """Returns the position of each user's first rating in the log."""
        user = self.user_index

        def changes(rows: slice) -> npt.NDArray[np.int64]:
            before = user[rows.start - 1] if rows.start else f.PADDING_INDEX
            return rows.start + np.flatnonzero(np.diff(user[rows], prepend=before))

        return computed(changes, len(user), np.int64)

    def liked(self) -> npt.NDArray[np.int64]:
        """Returns the positions of the likes in the log.

        Raises:
            ValueError: If no rating is a like.
        """
        places = _places(self.label, f.LIKED)
        if not len(places):
            raise ValueError(
                f"no positive among the {len(self)} ratings to learn from: lower "
                "label.threshold"
            )
        return places


@dataclasses.dataclass(frozen=True)
class Interactions:
    """Distinct pairs of users and items, ordered by user, then by item.

    Attributes:
        user_index: Vocabulary indices of the users, [N].
        item_index: Vocabulary indices of the items, [N].
        num_users: Number of rows of a user table, including the reserved ones.
        num_items: Number of rows of an item table, including the reserved ones.
        weight: How much each pair counts, [N]; None if all count 1.
    """

    user_index: Indices
    item_index: Indices
    num_users: int
    num_items: int
    weight: Stars | None = None

    @classmethod
    def from_pairs(
        cls,
        user_index: Indices,
        item_index: Indices,
        num_users: int,
        num_items: int,
        weight: Stars | None = None,
    ) -> "Interactions":
        """Orders pairs, and drops repeated ones, as several unknown ids may make.

        Weights of repeated pairs are added up.
        """
        places = sorted_places(user_index)
        users, items, weights = Writer(np.int32), Writer(np.int32), Writer(np.float32)
        for part in _parts(_row_splits(user_index, num_users)):
            place = places[part]
            keys = user_index[place].astype(np.int64) * num_items + item_index[place]
            if weight is None:
                keys = np.unique(keys)
            else:
                keys, pair = np.unique(keys, return_inverse=True)
                weights.append(np.bincount(pair, weight[place], len(keys)))
            users.append(keys // num_items)
            items.append(keys % num_items)
        return cls(
            users.array(),
            items.array(),
            num_users,
            num_items,
            None if weight is None else weights.array(),
        )

    def __len__(self) -> int:
        return len(self.user_index)

    def transposed(self) -> "Interactions":
        """Returns the pairs with users and items exchanged."""
        return Interactions.from_pairs(
            self.item_index,
            self.user_index,
            self.num_items,
            self.num_users,
            self.weight,
        )

    def row_splits(self) -> npt.NDArray[np.int64]:
        """Returns where each user's items begin, [num_users + 1]."""
        return _row_splits(self.user_index, self.num_users)

    def item_totals(self, power: int = 1) -> npt.NDArray[Any]:
        """Returns the sum of each item's weights, each to a power, [num_items]."""
        totals = np.zeros(self.num_items, np.int64 if self.weight is None else float)
        for rows in blocks(len(self)):
            weight = None
            if self.weight is not None:
                weight = self.weight[rows].astype(float) ** power
            totals += np.bincount(self.item_index[rows], weight, self.num_items)
        return totals

    def matrix(self) -> sparse.csr_matrix:
        """Returns X: the weight of each pair, [num_users, num_items] float64."""
        weight = (
            np.ones(len(self)) if self.weight is None else self.weight.astype(float)
        )
        return sparse.csr_matrix(
            (weight, self.item_index, self.row_splits()),
            shape=(self.num_users, self.num_items),
        )


def _row_splits(index: Indices, num_rows: int) -> npt.NDArray[np.int64]:
    """Returns where each row begins if all are in order, [num_rows + 1]."""
    return np.concatenate([[0], np.cumsum(counts(index, num_rows))])


def _parts(row_splits: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Divides pairs in the order of users into blocks, each with all of its users'."""
    ends = [rows.stop for rows in blocks(int(row_splits[-1]))]
    begin = 0
    for end in np.unique(row_splits[np.searchsorted(row_splits, ends)]).tolist():
        yield slice(begin, end)
        begin = end


def _places(column: npt.NDArray[Any], value: int = 1) -> npt.NDArray[np.int64]:
    """Returns the positions at which a column [N] has a value."""
    return computed(
        lambda rows: rows.start + np.flatnonzero(column[rows] == value),
        len(column),
        np.int64,
    )
