"""The training pairs in memory: closed forms solve them, other models sample them.

A pair takes eight bytes, eight more for its label and stars, and eight more for its
time, for models that read it. What is made of the pairs for batches takes more than
they do (docs/benchmarks.md), so that temporary copies are avoided.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from trainer_modules import features as f

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
        columns = self._columns()
        return Ratings(**{name: column[chosen] for name, column in columns.items()})

    def joined(self, other: "Ratings") -> "Ratings":
        """Returns both; each user's ratings are followed by those of ``other``."""
        others = other._columns()
        both = Ratings(
            **{
                name: np.concatenate([column, others[name]])
                for name, column in self._columns().items()
            }
        )
        return both.where(np.argsort(both.user_index, kind="stable"))

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        """Returns the columns that were read, by name."""
        return {
            name: column for name, column in vars(self).items() if column is not None
        }

    def mean(self) -> float:
        """Returns the mean of all stars; 0 without ratings."""
        return float(self.rating.mean(dtype=np.float64)) if len(self) else 0.0

    def distinct(self) -> "Ratings":
        """Returns one rating of each pair."""
        pairs = np.stack([self.user_index, self.item_index])
        return self.where(np.sort(np.unique(pairs, axis=1, return_index=True)[1]))

    def targets(self) -> "Ratings":
        """Returns the ratings that may be targets of eval."""
        return self if self.judged is None else self.where(self.judged == 1)

    def liked(self) -> npt.NDArray[np.int64]:
        """Returns the positions of the likes in the log.

        Raises:
            ValueError: If no rating is a like.
        """
        places = np.flatnonzero(self.label == f.LIKED)
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
        # In place where it can be: a copy is gigabytes for millions of ratings.
        keys = user_index.astype(np.int64)
        keys *= num_items
        keys += item_index
        if weight is None:
            keys.sort()
            is_new = np.ones(len(keys), np.bool_)
            np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
            if not is_new.all():
                keys = keys[is_new]
        else:
            keys, place = np.unique(keys, return_inverse=True)
            weight = np.bincount(place, weight, len(keys)).astype(np.float32)
        users, items = (np.empty(len(keys), np.int32) for _ in range(2))
        np.floor_divide(keys, num_items, out=users, casting="unsafe")
        np.remainder(keys, num_items, out=items, casting="unsafe")
        return cls(users, items, num_users, num_items, weight)

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
        counts = np.bincount(self.user_index, minlength=self.num_users)
        return np.concatenate([[0], np.cumsum(counts)])

    def item_totals(self, power: int = 1) -> npt.NDArray[Any]:
        """Returns the sum of each item's weights, each to a power, [num_items]."""
        weight = None if self.weight is None else self.weight.astype(float) ** power
        return np.bincount(self.item_index, weight, self.num_items)

    def matrix(self) -> sparse.csr_matrix:
        """Returns X: the weight of each pair, [num_users, num_items] float64."""
        weight = (
            np.ones(len(self)) if self.weight is None else self.weight.astype(float)
        )
        return sparse.csr_matrix(
            (weight, self.item_index, self.row_splits()),
            shape=(self.num_users, self.num_items),
        )
