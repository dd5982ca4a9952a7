"""Messages between the server and a model's process: a length, then a pickle.

They are those of ``multiprocessing.connection``, but a server can await them: it needs
no thread that waits for the answer.
"""

import asyncio
import socket
import struct
from multiprocessing.reduction import ForkingPickler
from typing import Any, BinaryIO

_LENGTH = struct.Struct("!Q")
# What a StreamReader buffers before it stops reading, so that an answer of several
# megabytes does not arrive in pieces of 64 KB.
BUFFER = 1 << 20


def packed(message: Any) -> bytes:
    """Returns the bytes of a message."""
    content = bytes(ForkingPickler.dumps(message))
    return _LENGTH.pack(len(content)) + content


def receive(stream: BinaryIO) -> Any:
    """Waits for a message.

    Raises:
        EOFError: If the other process has ended, or closed its end.
    """
    return ForkingPickler.loads(
        _read(stream, _LENGTH.unpack(_read(stream, _LENGTH.size))[0])
    )


def _read(stream: BinaryIO, count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise EOFError
    return content


class Line:
    """The server's end of a socket, for one call at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, end: socket.socket) -> "Line":
        """Returns the line of a connected socket, which it then owns."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=BUFFER))

    async def ask(self, message: Any) -> Any:
        """Sends a message and waits for the answer.

        Raises:
            OSError: If the other process cannot be reached.
            EOFError: If it has ended, or closed its end.
        """
        if self._writer.is_closing():
            raise EOFError
        self._writer.write(packed(message))
        [length] = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
        return ForkingPickler.loads(await self._reader.readexactly(length))

    def close(self) -> None:
        """Closes the socket; a call that waits gets an error."""
        self._writer.close()
