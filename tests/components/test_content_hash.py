"""Hashes of files are those that sha256sum and md5sum print."""

import hashlib

from components import content_hash


def test_a_file_of_several_blocks(tmp_path):
    content = bytes(range(256)) * 10_000
    path = tmp_path / "file"
    path.write_bytes(content)
    assert content_hash.of_file(path) == hashlib.sha256(content).hexdigest()
    assert content_hash.of_file(path, "md5") == hashlib.md5(content).hexdigest()
    with path.open("rb") as file:
        file.seek(1000)
        digest = hashlib.sha256(b"before")
        content_hash.update(digest, file)
    assert digest.digest() == hashlib.sha256(b"before" + content[1000:]).digest()
