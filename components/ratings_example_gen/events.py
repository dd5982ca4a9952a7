"""What the types of events mean: which are likes, which are judged, what they weigh.

The settings have them, so NumPy and Arrow are imported only where events are read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

# Groups of rows of a user and an item that are not repeats of each other.
GROUPS = CONTEXT, OTHER, JUDGED = 0, 1, 2


@dataclass(frozen=True)
class Events:
    """What the types of events mean.

    Attributes:
        weights: Type → weight, which is the rating of its events: above 0 if they show
            that a user likes an item, below 0 for a dislike, 0 if they are only
            context.
        judged: Types whose events are the targets of eval and test.
    """

    weights: dict[str, float]
    judged: tuple[str, ...]

    def ratings(self, types: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.float32]:
        """Returns the ratings [N] of events by their types; NaN for unknown types."""
        import numpy as np

        values = np.array([*self.weights.values(), np.nan], np.float32)
        return values[_place(types, list(self.weights))]

    def are_judged(self, types: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Returns whether events [N] may be targets of eval and test."""
        return _place(types, list(self.judged)) >= 0

    def groups(self, types: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """Returns the group of each event [N]: ``CONTEXT``, ``OTHER`` or ``JUDGED``."""
        import numpy as np

        labelled = np.where(self.ratings(types) == 0, CONTEXT, OTHER)
        return np.where(self.are_judged(types), JUDGED, labelled)


def count_types(types: pa.Array | pa.ChunkedArray | None) -> Counter[str]:
    """Returns the number of events of each type; nothing without types."""
    if types is None:
        return Counter()
    import pyarrow.compute as pc

    counts = pc.value_counts(types)
    return Counter({pair["values"]: pair["counts"] for pair in counts.to_pylist()})


def _place(
    types: pa.Array | pa.ChunkedArray, names: list[str]
) -> npt.NDArray[np.int64]:
    """Returns the position of each type [N] among some names; -1 for others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    place = pc.index_in(types, value_set=pa.array(names, pa.string()))
    places: npt.NDArray[np.int64] = place.fill_null(-1).to_numpy().astype("int64")
    return places
