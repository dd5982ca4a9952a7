"""Reads files of TFRecords without TensorFlow, which takes seconds to import."""

import struct
from collections.abc import Iterator
from typing import IO

_HEADER = struct.Struct("<QI")  # length of the record, and checksum of the length
_CHECKSUM_BYTES = 4  # of the record


def read_records(file: IO[bytes]) -> Iterator[bytes]:
    """Yields the records of an open file; their checksums are not compared.

    Raises:
        EOFError: If the file ends within a record.
    """
    while header := file.read(_HEADER.size):
        length = _HEADER.unpack(header)[0] if len(header) == _HEADER.size else 0
        record = file.read(length + _CHECKSUM_BYTES)
        if len(record) != length + _CHECKSUM_BYTES:
            raise EOFError(f"{file.name} ends within a record")
        yield record[:length]
