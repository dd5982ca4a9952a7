"""What is read from a store of objects."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Protocol


@dataclass(frozen=True)
class Stored:
    """An object in a store.

    Attributes:
        path: Address of the object.
        size: Size in bytes.
        time: Time of the last change, in seconds UTC; 0 if the store has none.
    """

    path: str
    size: int
    time: float


class Store(Protocol):
    """A module that reads one kind of store.

    Attributes:
        ERRORS: Exceptions of the store's client.
    """

    ERRORS: tuple[type[Exception], ...]

    def at(self, path: str) -> Stored | None:
        """Returns the object at an address; None if there is none."""

    def below(self, folder: str) -> Iterator[Stored]:
        """Yields all objects whose address begins with that of a folder."""

    def level(self, folder: str) -> tuple[list[str], list[Stored]]:
        """Returns the names of the folders, and the objects, directly in a folder."""

    def open(self, path: str) -> IO[bytes]:
        """Opens an object for reading, seekable, without unpacking it."""

    def checksum(self, path: str) -> str:
        """Returns the checksum that the store keeps for an object."""
