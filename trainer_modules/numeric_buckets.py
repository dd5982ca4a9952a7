"""Buckets of numeric side features, which make categories of numbers."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Numbers = npt.NDArray[np.float32]


def bucket_names(numbers: tf.Tensor, boundaries: tf.Tensor) -> tf.Tensor:
    """Returns the bucket of each number as a category, such as "bucket 3".

    Args:
        numbers: Finite numbers, [N] float32.
        boundaries: Where a bucket ends and the next begins, [K] float32 ascending. A
            number that is equal to a boundary is in the upper bucket.

    Returns:
        Names, [N], from "bucket 0" to "bucket K".
    """
    bucket = tf.searchsorted(boundaries, numbers, side="right")
    return tf.strings.join(["bucket ", tf.strings.as_string(bucket)])


def quantiles(numbers: Sequence[float], buckets: int) -> Numbers:
    """Returns boundaries between buckets with the same number of numbers each.

    As ``tft.quantiles`` does, it takes the k N / K-th smallest of N numbers, rounded
    down, for the boundary k of K buckets.

    Returns:
        Boundaries, [K - 1] float32 ascending; several are equal if a number is
        frequent. Without numbers, there are none.
    """
    if not numbers:
        return np.zeros(0, np.float32)
    ordered = np.sort(np.array(numbers, np.float32))
    return ordered[np.arange(1, buckets) * len(ordered) // buckets]
