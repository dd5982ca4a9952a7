"""Objects in S3, read with one client of boto3.

Beam's filesystem makes a client for each call, and takes seconds to be imported:
`marquee data` on a million rows took three times as long with it.
"""

import functools
import os
from collections.abc import Iterator
from typing import IO, Any, cast
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from components.ratings_example_gen.stores.ranges import open_ranges
from components.ratings_example_gen.stores.store import Stored

ERRORS = (BotoCoreError, ClientError, OSError, ValueError)


def at(path: str) -> Stored | None:
    """Returns the object at an address; None if there is none."""
    bucket, key = _split(path)
    if not key:
        return None
    found = _head(bucket, key)
    if found is None:
        return None
    return Stored(path, found["ContentLength"], found["LastModified"].timestamp())


def below(folder: str) -> Iterator[Stored]:
    """Yields all objects whose address begins with that of a folder."""
    for page in _pages(folder):
        yield from _stored(folder, page)


def level(folder: str) -> tuple[list[str], list[Stored]]:
    """Returns the names of the folders, and the objects, directly in a folder."""
    pages = list(_pages(folder, Delimiter="/"))
    prefixes = [found["Prefix"] for p in pages for found in p.get("CommonPrefixes", ())]
    names = [prefix.rstrip("/").rpartition("/")[2] for prefix in prefixes]
    return names, [found for page in pages for found in _stored(folder, page)]


def open(path: str) -> IO[bytes]:
    """Opens an object for reading, seekable, without unpacking it."""
    bucket, key = _split(path)
    found = _head(bucket, key)
    if found is None:
        raise FileNotFoundError("there is no such object")
    # If the object is replaced meanwhile, reading fails.
    get = functools.partial(
        _client().get_object, Bucket=bucket, Key=key, IfMatch=found["ETag"]
    )

    def read(start: int, length: int) -> bytes:
        answer = get(Range=f"bytes={start}-{start + length - 1}")
        return cast(bytes, answer["Body"].read())

    return open_ranges(read, found["ContentLength"])


def checksum(path: str) -> str:
    """Returns the checksum that the store keeps for an object."""
    found = _head(*_split(path))
    if found is None:
        raise FileNotFoundError("there is no such object")
    return str(found["ETag"])


def _split(path: str) -> tuple[str, str]:
    url = urlsplit(path, allow_fragments=False)
    return url.netloc, path.partition(f"//{url.netloc}")[2].lstrip("/")


def _head(bucket: str, key: str) -> dict[str, Any] | None:
    try:
        return cast(dict[str, Any], _client().head_object(Bucket=bucket, Key=key))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise


def _pages(folder: str, **options: str) -> Iterator[dict[str, Any]]:
    bucket, key = _split(folder.rstrip("/"))
    prefix = f"{key}/" if key else ""
    listing = _client().get_paginator("list_objects_v2")
    yield from listing.paginate(Bucket=bucket, Prefix=prefix, **options)


def _stored(folder: str, page: dict[str, Any]) -> Iterator[Stored]:
    bucket = _split(folder)[0]
    for found in page.get("Contents", ()):
        time = found["LastModified"].timestamp()
        yield Stored(f"s3://{bucket}/{found['Key']}", found["Size"], time)


def _client() -> Any:
    return _client_of(os.getpid())


@functools.cache
def _client_of(process: int) -> Any:
    """Returns the client of a process: a forked one must not share its connections."""
    del process
    return boto3.session.Session().client("s3")
