"""An object in a store, read by ranges of its bytes."""

import io
from collections.abc import Callable
from typing import IO, Any, cast

# Reads are sequential but for the end of a Parquet file: few requests count.
_BUFFER_BYTES = 8 << 20


def open_ranges(read: Callable[[int, int], bytes], size: int) -> IO[bytes]:
    """Returns an object as a seekable file.

    Args:
        read: Returns some bytes: position of the first, and their number.
        size: Size of the object in bytes.
    """
    return cast(IO[bytes], io.BufferedReader(_Ranges(read, size), _BUFFER_BYTES))


class _Ranges(io.RawIOBase):
    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read, self._size = read, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        self._position = max(0, start[whence] + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        content = self._read(self._position, length)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
