"""Reads vectors that are given for items or users: lists of as many numbers each."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.read.numbers import to_number
from components.wording import counted

Vector = npt.NDArray[np.float32]
"""The numbers of one row; none if its vector is missing."""


def is_vectors(kind: pa.DataType | None) -> bool:
    """Returns whether a Parquet column of this type is certainly one of vectors."""
    if kind is None or not _is_list(kind):
        return False
    is_fixed = pa.types.is_fixed_size_list(kind)
    is_whole = is_fixed and pa.types.is_integer(kind.value_type)
    return pa.types.is_floating(kind.value_type) or is_whole


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
    )


def of_lists(lists: pa.Array) -> list[Vector]:
    """Returns the vectors in lists of numbers; NaN for a number that is null."""
    lengths = np.zeros(len(lists), np.int64)
    is_given = lists.is_valid().to_numpy(False)
    if pa.types.is_fixed_size_list(lists.type):
        lengths[is_given] = lists.type.list_size
    else:
        lengths[is_given] = lists.drop_null().value_lengths().to_numpy()
    flat = lists.flatten().cast(pa.float64(), safe=False).to_numpy(False)
    return np.split(_in_32_bits(flat), np.cumsum(lengths)[:-1])


def of_texts(rows: Sequence[Sequence[str]], dialect: Dialect) -> list[Vector]:
    """Returns the vectors in rows of texts; NaN for a text that is not a number."""
    return [
        _in_32_bits(np.array([to_number(text, dialect) for text in texts], np.float64))
        for texts in rows
    ]


def _in_32_bits(numbers: npt.NDArray[np.float64]) -> Vector:
    with np.errstate(over="ignore"):  # infinity is reported
        return numbers.astype(np.float32)


def what_is_wrong(vector: Vector, size: int) -> str | None:
    """Returns why a vector cannot be used; None if it can, or is missing."""
    if len(vector) not in (0, size):
        return f"has {counted(len(vector), 'number')}, not {size:,}"
    if not np.isfinite(vector).all():
        return "has a value that is not a finite number"
    return None
