"""What each user has rated, in memory: 4 bytes a rating, and each id once."""

import array
import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class History:
    """What the ratings say of a user.

    Attributes:
      rated: items, each once.
      liked: those of them that are liked, the newest last.
    """

    rated: frozenset[str] = frozenset()
    liked: Sequence[str] = ()


class Histories:
    """All users' histories.

    A rating is the number of its item, times two, plus one where it is liked; those of
    a user stand side by side, the oldest split first. A user costs an entry of a
    dictionary beside that, some 150 bytes.
    """

    def __init__(self, examples: str, threshold: str):
        """Reads them.

        Args:
          examples: folder of ``RatingsExampleGen``.
          threshold: what is liked, as ``label.threshold`` has it.
        """
        from pipeline.rated import files_of, read_batches  # TensorFlow takes seconds

        self._users: dict[str, int] = {}
        items: dict[bytes, int] = {}
        owners, ratings = array.array("i"), array.array("i")
        for users, rated, liked in read_batches(files_of(examples), threshold):
            rows = [
                self._users.setdefault(user.decode(), len(self._users))
                for user in users.tolist()
            ]
            numbers = np.fromiter(
                (
                    items.setdefault(item, len(items))
                    for item in rated.flat_values.numpy().tolist()
                ),
                np.int32,
            )
            codes = 2 * numbers + liked.flat_values.numpy()
            ratings.frombytes(codes.astype(np.int32).tobytes())
            owner = np.repeat(np.array(rows, np.int32), rated.row_lengths().numpy())
            owners.frombytes(owner.tobytes())
        owner = np.frombuffer(owners, np.int32)
        order = np.argsort(owner, kind="stable")
        self._ratings = np.frombuffer(ratings, np.int32)[order]
        self._starts = np.zeros(len(self._users) + 1, np.int64)
        np.cumsum(np.bincount(owner, minlength=len(self._users)), out=self._starts[1:])
        self._items = [item.decode() for item in items]

    def __len__(self) -> int:
        """How many users there are."""
        return len(self._users)

    def __contains__(self, user: str) -> bool:
        """Whether anything is known of a user."""
        return user in self._users

    def of(self, user: str) -> History:
        """What is known of a user; nothing, perhaps."""
        row = self._users.get(user)
        if row is None:
            return History()
        codes = self._ratings[self._starts[row] : self._starts[row + 1]].tolist()
        items = self._items
        return History(
            frozenset(items[code >> 1] for code in codes),
            [items[code >> 1] for code in codes if code & 1],
        )
