"""The beginning of a part: the names of its columns and some rows."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from components.ratings_example_gen.input_errors import (
    EMPTY_FILE,
    BadInputError,
    fatal,
)
from components.ratings_example_gen.part_bytes import (
    BYTE_ORDER_MARK,
    MAX_LINE_BYTES,
    open_part,
)
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.recognise import guess

SAMPLE_BYTES = 1 << 16
MAX_RECORDS = 200

IsPlausible = Callable[[guess.Records], bool]
"""Whether records look like the contents that a file should have."""


@dataclass(frozen=True)
class Sample:
    """What the beginning of a part shows.

    Attributes:
        part: The part, with its format, encoding, separator, quote and escape.
        records: Records as texts. For text that may have a header, the first record
            may be it. For Parquet, a least and a greatest value of each column, where
            they are known.
        names: Names of the columns; None for text, where the first record may hold
            them.
        types: Column name → Arrow type, for Parquet.
        bounds: Column name → (least, greatest) value, for Parquet that has them.
        digest: Hash of the bytes that were read; empty for Parquet.
        is_whole: Whether these bytes are the whole content.
    """

    part: Part
    records: list[list[str]]
    names: list[str] | None = None
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    bounds: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    digest: bytes = b""
    is_whole: bool = False

    def bounds_of(self, name: str) -> pa.Array:
        """Returns a column's bounds in the column's type; empty if unknown."""
        kind = self.types[name]
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            texts = [str(value).encode() for value in self.bounds.get(name, ())]
            return pa.array(texts, pa.binary())
        try:
            return pa.array(self.bounds.get(name, ()), kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return pa.nulls(0)


def first_line(part: Part) -> bytes:
    """Returns the first non-blank line, without its end; empty if there is none."""
    with open_part(part) as stream:
        line = stream.readline(MAX_LINE_BYTES).removeprefix(BYTE_ORDER_MARK)
        while line and not line.strip(b"\r\n"):
            line = stream.readline(MAX_LINE_BYTES)
    return line.rstrip(b"\r\n")


def beginning(part: Part) -> bytes:
    """Returns whole lines from the start of a part: at least two if it has them."""
    with open_part(part) as stream:
        data = stream.read(SAMPLE_BYTES).removeprefix(BYTE_ORDER_MARK)
        while data and (not data.endswith(b"\n") or data.count(b"\n") < 2):
            line = stream.readline(MAX_LINE_BYTES)
            data += line
            if not line.endswith(b"\n"):
                break
    return data


def digest(data: bytes) -> bytes:
    """Returns the hash of the beginning of a part."""
    return hashlib.sha256(data).digest()


def is_whole(data: bytes) -> bool:
    """Returns whether the beginning of a part is all of it."""
    return len(data) < SAMPLE_BYTES - len(BYTE_ORDER_MARK)


def empty_file_error(part: Part) -> BadInputError:
    """Returns the error for a file without content."""
    return fatal(
        part.name,
        EMPTY_FILE,
        "the file is empty",
        "Put the ratings in it, or remove the file.",
    )
