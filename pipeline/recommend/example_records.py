"""Reads the Examples that ``RatingsExampleGen`` writes, without TensorFlow.

Of TensorFlow, only the generated class of the Example is imported.
"""

import gzip
import io
from collections.abc import Iterable, Iterator
from typing import Any

from components import tf_records
from components.tensorflow_parts import imported_alone

with imported_alone():
    from tensorflow.core.example.example_pb2 import Example

__all__ = ["Example", "floats_of", "ids_of", "integers_of", "read_examples"]


def read_examples(
    files: Iterable[str], with_any_of: Iterable[str] | None = None
) -> Iterator[Any]:
    """Yields the Examples of compressed TFRecord files.

    Args:
        files: Paths of the files.
        with_any_of: Texts of which an Example must contain at least one to be parsed,
            such as IDs of users; others may be yielded as well. None yields all.

    Raises:
        EOFError: If a file is cut off.
        gzip.BadGzipFile: If a file is damaged.
    """
    wanted = None if with_any_of is None else [text.encode() for text in with_any_of]
    for path in files:
        # gzip compares the checksum of the whole file.
        with gzip.open(path) as unpacked, io.BufferedReader(unpacked, 1 << 20) as file:
            for record in tf_records.read_records(file):
                if wanted is None or any(text in record for text in wanted):
                    yield Example.FromString(record)


def ids_of(example: Any, name: str) -> list[bytes]:
    """Returns the values of a feature of texts; none if the Example lacks it."""
    return list(example.features.feature[name].bytes_list.value)


def floats_of(example: Any, name: str) -> list[float]:
    """Returns the values of a feature of floats; none if the Example lacks it."""
    return list(example.features.feature[name].float_list.value)


def integers_of(example: Any, name: str) -> list[int]:
    """Returns the values of a feature of integers; none if the Example lacks it."""
    return list(example.features.feature[name].int64_list.value)
