"""Files in HDFS, read through the web interface of its namenode (WebHDFS).

Beam's filesystem uses the same client, but lists one level of a folder, takes folders
for files, and has to be given the namenode in the options of every pipeline.
"""

import functools
import getpass
import os
from collections.abc import Iterator
from typing import IO, Any, cast
from urllib.parse import urlsplit

from hdfs import InsecureClient
from hdfs.util import HdfsError

from components.ratings_example_gen.stores.ranges import open_ranges
from components.ratings_example_gen.stores.store import Stored

ERRORS = (HdfsError, OSError, ValueError)
_WEB_PORT = 9870  # of a namenode, unless it is configured
_FILE = "FILE"  # as opposed to folders


def at(path: str) -> Stored | None:
    """Returns the object at an address; None if there is none."""
    client, place = _split(path)
    found = client.status(place, strict=False)
    return _stored(path, found) if found and found["type"] == _FILE else None


def below(folder: str) -> Iterator[Stored]:
    """Yields all objects whose address begins with that of a folder."""
    client, root = _split(folder.rstrip("/"))
    if not _is_folder(client, root):
        return
    for (path, _), _, files in client.walk(root, status=True):
        inside = folder.rstrip("/") + path.removeprefix(root.rstrip("/")).rstrip("/")
        yield from (_stored(f"{inside}/{name}", found) for name, found in files)


def level(folder: str) -> tuple[list[str], list[Stored]]:
    """Returns the names of the folders, and the objects, directly in a folder."""
    client, place = _split(folder.rstrip("/"))
    found = client.list(place, status=True) if _is_folder(client, place) else []
    names = [name for name, status in found if status["type"] != _FILE]
    base = folder.rstrip("/")
    objects = [_stored(f"{base}/{n}", s) for n, s in found if s["type"] == _FILE]
    return names, objects


def open(path: str) -> IO[bytes]:
    """Opens an object for reading, seekable, without unpacking it."""
    client, place = _split(path)

    def read(start: int, length: int) -> bytes:
        with client.read(place, offset=start, length=length) as answer:
            return cast(bytes, answer.read())

    return open_ranges(read, client.status(place)["length"])


def checksum(path: str) -> str:
    """Returns the checksum that the store keeps for an object."""
    client, place = _split(path)
    found = client.checksum(place)
    return f"{found['algorithm']}-{found['bytes']}"


def _split(path: str) -> tuple[Any, str]:
    server = urlsplit(path, allow_fragments=False).netloc
    return _client(server), path.partition(f"//{server}")[2] or "/"


@functools.cache
def _client(server: str) -> Any:
    address = urlsplit(f"//{server}")
    if not address.hostname:
        raise ValueError(
            "name the namenode and the port of its web interface, as in "
            f"hdfs://namenode:{_WEB_PORT}/ratings"
        )
    user = os.environ.get("HADOOP_USER_NAME") or getpass.getuser()
    url = f"http://{address.hostname}:{address.port or _WEB_PORT}"
    return InsecureClient(url, user=user)


def _is_folder(client: Any, place: str) -> bool:
    found = client.status(place, strict=False)
    return found is not None and found["type"] != _FILE


def _stored(path: str, found: dict[str, Any]) -> Stored:
    return Stored(path, found["length"], found["modificationTime"] / 1000)
