"""Arrays in temporary files: as fast as memory that suffices, and bounded by no memory.

The system writes pages of such an array to its file and drops them when memory is
scarce. The file has no name, and is gone with the array or the process. It is in the
folder for temporary files (``TMPDIR``), which is that of the run in a step.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

BLOCK_ROWS = 1 << 20  # that are computed at once, in memory
MAPPED_BYTES = 1 << 26  # from here on, an array is worth a file of its own
_ALIGNED = 64  # bytes; TensorFlow ends the process for what is not (EIGEN_MAX_ALIGN)

Array = npt.NDArray[Any]


class Writer:
    """Writes an array part by part, of a length that need not be known."""

    def __init__(self, dtype: npt.DTypeLike):
        """Begins a file of elements of a type."""
        self._dtype = np.dtype(dtype)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115

    def append(self, part: Array) -> None:
        """Writes the next elements.

        Raises:
            OSError: If the disk is full.
        """
        self._file.write(np.ascontiguousarray(part, self._dtype).data)

    def array(self) -> Array:
        """Returns all elements, [N]; nothing can be appended any more."""
        with self._file as file:
            if not file.tell():
                return np.empty(0, self._dtype)
            file.flush()
            mapped = np.memmap(file, self._dtype, "r+")
        return mapped.view(np.ndarray)


def blocks(num_rows: int) -> Iterator[slice]:
    """Divides rows into parts that are computed at once."""
    for begin in range(0, num_rows, BLOCK_ROWS):
        yield slice(begin, min(begin + BLOCK_ROWS, num_rows))


def stored(parts: Iterable[Array], dtype: npt.DTypeLike) -> Array:
    """Returns the parts of an array, [N], as one in a file."""
    writer = Writer(dtype)
    for part in parts:
        writer.append(part)
    return writer.array()


def computed(
    compute: Callable[[slice], Array], num_rows: int, dtype: npt.DTypeLike
) -> Array:
    """Returns an array [N] of values that a function returns for each block of rows."""
    return stored(map(compute, blocks(num_rows)), dtype)


def joined(parts: Sequence[Array]) -> Array:
    """Returns arrays [N_i, ...] one after the other, in a file if they are large."""
    if sum(part.nbytes for part in parts) < MAPPED_BYTES:
        return np.concatenate(parts) if len(parts) > 1 else parts[0]
    flat = stored((part.reshape(-1) for part in parts), parts[0].dtype)
    return flat.reshape(-1, *parts[0].shape[1:])


def copied(variable: tf.Variable) -> Array:
    """Returns the values of a variable, in a file if they are large.

    They are read block by block: as a whole, TensorFlow would copy them into memory.
    The copies of a variable on several devices can only be read as a whole.
    """
    size = variable.shape.num_elements() * variable.dtype.size
    is_whole = isinstance(variable, tf.distribute.DistributedValues)
    if size < MAPPED_BYTES or is_whole or not variable.shape.rank:
        return joined([np.asarray(variable.numpy())])
    flat = stored(
        (
            variable.sparse_read(tf.range(rows.start, rows.stop)).numpy().reshape(-1)
            for rows in blocks(variable.shape[0])
        ),
        variable.dtype.as_numpy_dtype,
    )
    return flat.reshape(variable.shape)


def counts(index: npt.NDArray[np.int32], length: int) -> npt.NDArray[np.int64]:
    """Returns how often each index occurs, [length]."""
    total = np.zeros(length, np.int64)
    for block in blocks(len(index)):
        # NumPy's copies an array of 32 bits to one of 64.
        total += np.bincount(index[block], minlength=length)
    return total


def sorted_places(index: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Returns the places of the values in ascending order, as a stable sort would.

    The sort is in place, of the value in the upper and the place in the lower 32 bits.
    """
    places = computed(
        lambda rows: (
            index[rows].astype(np.int64) << 32 | np.arange(rows.start, rows.stop)
        ),
        len(index),
        np.int64,
    )
    places.sort()
    places &= (1 << 32) - 1
    return places


def tensor(array: Array) -> tf.Tensor:
    """Returns a tensor that shares the array's memory, unless it is not aligned.

    The array must not change any more. ``tf.constant`` would be a copy in memory.
    """
    if array.ctypes.data % _ALIGNED or not array.flags.c_contiguous:
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def reading(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches that read such tensors, without copies of them.

    When an iterator begins, TensorFlow rewrites the graph of its data set, for which it
    copies all tensors that the graph reads into memory.
    """
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return batches.with_options(options)
