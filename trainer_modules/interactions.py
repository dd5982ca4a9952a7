"""The training pairs in memory: what a closed-form model solves and the others sample.

Eight bytes a pair, and as many for its label and stars where a task learns from them:
32 million ratings are 512 MB, which is the one thing in training that grows with the
ratings.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from trainer_modules import features as f

Indices = npt.NDArray[np.int32]
Stars = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Ratings:
    """Rated pairs, in the order of the records; each user's own in the order of time.

    Attributes:
        user_index: [N] vocabulary indices.
        item_index: [N] vocabulary indices.
        label: [N] 1 liked, 0 disliked, -1 neither.
        rating: [N] stars.
    """

    user_index: Indices
    item_index: Indices
    label: Indices
    rating: Stars

    def __len__(self) -> int:
        return len(self.user_index)

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Ratings":
        """Those that a mask [N] or places in the log choose."""
        return Ratings(
            self.user_index[chosen],
            self.item_index[chosen],
            self.label[chosen],
            self.rating[chosen],
        )

    def joined(self, other: "Ratings") -> "Ratings":
        """Each user's ratings, then those that the others have of the same user."""
        both = Ratings(
            np.concatenate([self.user_index, other.user_index]),
            np.concatenate([self.item_index, other.item_index]),
            np.concatenate([self.label, other.label]),
            np.concatenate([self.rating, other.rating]),
        )
        return both.where(np.argsort(both.user_index, kind="stable"))

    def mean(self) -> float:
        """Of all stars; 0 where there is none."""
        return float(self.rating.mean(dtype=np.float64)) if len(self) else 0.0

    def liked(self) -> npt.NDArray[np.int64]:
        """Places in the log of what was liked.

        Raises:
            ValueError: If nothing was.
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
    """Positive user-item pairs, ordered by user, then by item, each once.

    Attributes:
        user_index: [N] vocabulary indices.
        item_index: [N] vocabulary indices.
        num_users: Rows of a user table, the reserved ones included.
        num_items: Rows of an item table, the reserved ones included.
    """

    user_index: Indices
    item_index: Indices
    num_users: int
    num_items: int

    @classmethod
    def of(
        cls, user_index: Indices, item_index: Indices, num_users: int, num_items: int
    ) -> "Interactions":
        """Orders the pairs; several unknown ids may make a pair repeat: one is kept."""
        keys = np.unique(user_index.astype(np.int64) * num_items + item_index)
        return cls(
            (keys // num_items).astype(np.int32),
            (keys % num_items).astype(np.int32),
            num_users,
            num_items,
        )

    def __len__(self) -> int:
        return len(self.user_index)

    def transposed(self) -> "Interactions":
        """The same pairs with users and items in each other's place."""
        return Interactions.of(
            self.item_index, self.user_index, self.num_items, self.num_users
        )

    def row_splits(self) -> npt.NDArray[np.int64]:
        """Where each user's items begin: [num_users + 1]."""
        counts = np.bincount(self.user_index, minlength=self.num_users)
        return np.concatenate([[0], np.cumsum(counts)])
