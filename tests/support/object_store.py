"""Starts a real object store on loopback."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.support.databases import free_port, served

KEYS = {
    "AWS_ACCESS_KEY_ID": "marquee-tests",
    "AWS_SECRET_ACCESS_KEY": "a secret of these tests",
}
BUCKET = "data"
_BUILT = Path(__file__).parents[2] / "build" / "minio" / "minio"


@contextlib.contextmanager
def minio(folder: Path) -> Iterator[dict[str, str]]:
    """MinIO in a folder, with an empty bucket; the variables of its clients."""
    program = shutil.which("minio") or (str(_BUILT) if _BUILT.exists() else None)
    if program is None:
        pytest.skip("no minio: run make minio (Go), or put one on the PATH")
    port = free_port()
    environment = {
        **KEYS,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    account = {
        "MINIO_ROOT_USER": KEYS["AWS_ACCESS_KEY_ID"],
        "MINIO_ROOT_PASSWORD": KEYS["AWS_SECRET_ACCESS_KEY"],
    }
    address = ("--address", f"127.0.0.1:{port}")
    with served(
        [program, "server", "--quiet", *address, str(folder / "data")],
        *(port, folder / "log", signal.SIGTERM, os.environ | account),
    ):
        client(environment).create_bucket(Bucket=BUCKET)
        yield environment


def client(environment: dict[str, str]):
    """Returns a client of the object store."""
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
