"""Hashes of files are those that sha256sum and md5sum print."""

import hashlib
import io

import pytest

from components import content_hash


def test_a_file_of_several_blocks(tmp_path):
    content = bytes(range(256)) * 10_000
    path = tmp_path / "file"
    path.write_bytes(content)
    assert content_hash.of_file(path) == hashlib.sha256(content).hexdigest()
    assert content_hash.of_file(path, "md5") == hashlib.md5(content).hexdigest()
    with path.open("rb") as file:
        assert content_hash.of_open_file(file) == hashlib.sha256(content).hexdigest()
        file.seek(1000)
        digest = hashlib.sha256(b"before")
        content_hash.update(digest, file)
    assert digest.digest() == hashlib.sha256(b"before" + content[1000:]).digest()


@pytest.mark.parametrize("at", [0, 1, (1 << 20) - 2, 1 << 20, 2_499_996])
def test_the_fast_hash_follows_the_bytes(at):
    content = bytearray(bytes(range(250)) * 10_000)
    before = content_hash.fast_of_open_file(io.BytesIO(content))
    assert content_hash.fast_of_open_file(io.BytesIO(content)) == before
    shorter = content_hash.fast_of_open_file(io.BytesIO(content[:at]))
    zeros = content_hash.fast_of_open_file(io.BytesIO(content + b"\0"))
    moved = content[1 << 20 :] + content[: 1 << 20]
    moved = content_hash.fast_of_open_file(io.BytesIO(moved))
    content[at : at + 4] = b"\xff\x00\xff\x00"
    edited = content_hash.fast_of_open_file(io.BytesIO(content))
    assert len({before, shorter, zeros, moved, edited}) == 5
