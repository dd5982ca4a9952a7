"""IDs of items that are also numbers, so that a log of lists needs no text of each."""

import dataclasses

import numpy as np
import pyarrow as pa


@dataclasses.dataclass(slots=True)
class Coded:
    """Texts that are numbered.

    Attributes:
        numbers: Number of each text, int32 [N].
        texts: The distinct texts.
    """

    numbers: np.ndarray
    texts: pa.Array

    def __len__(self) -> int:
        """Returns the number of texts, each as often as it occurs."""
        return len(self.numbers)
