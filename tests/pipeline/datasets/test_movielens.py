import hashlib
import io
import os
import shutil
import zipfile

import pytest

from pipeline.datasets import movielens
from pipeline.datasets.errors import DatasetError

MEMBERS = {
    "ratings.dat": b"1::1193::5::978300760\n",
    "movies.dat": b"1193::Caf\xe9 (1975)::Drama\n",
    "users.dat": b"1::F::1::10::48067\n",
}


def md5(content):
    return hashlib.md5(content).hexdigest()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def zip_of(members, folder="ml-1m/", compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(folder + name, content)
    return buffer.getvalue()


ORIGINAL = zip_of(MEMBERS)
REPACKED = zip_of(MEMBERS, folder="", compression=zipfile.ZIP_STORED)


@pytest.fixture
def small_releases(monkeypatch):
    """Small archives in the place of two releases: one known by member, one not."""
    known = movielens.Release(
        md5=md5(ORIGINAL),
        num_bytes=len(ORIGINAL),
        files=tuple(MEMBERS),
        file_sha256={name: sha256(content) for name, content in MEMBERS.items()},
    )
    unknown = movielens.Release(
        md5=md5(ORIGINAL), num_bytes=len(ORIGINAL), files=tuple(MEMBERS), folder="odd"
    )
    monkeypatch.setattr(movielens, "RELEASES", {"ml-1m": known, "ml-10m": unknown})


@pytest.fixture
def grouplens(server, monkeypatch, small_releases):
    monkeypatch.setattr(movielens, "SERVER", server.url)
    server.files = {"/ml-1m.zip": ORIGINAL, "/ml-10m.zip": ORIGINAL}
    return server


@pytest.fixture
def no_network(monkeypatch, small_releases):
    monkeypatch.setattr(movielens, "SERVER", "http://127.0.0.1:9")  # discard: closed


def contents(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


def test_downloaded_once_then_found(grouplens, tmp_path, reported):
    cache = tmp_path / "cache"

    first = movielens.fetch("ml-1m", cache, None, reported)
    described = {description for description, _, _ in reported.calls}
    reported.calls.clear()
    again = movielens.fetch("ml-1m", cache, None, reported)

    assert first == again == cache / "ml-1m"
    assert contents(first) == MEMBERS
    assert described == {"Downloading ml-1m.zip", "Unpacking ml-1m.zip"}
    assert len(grouplens.ranges) == 1
    assert reported.calls == []


def test_folder_with_files_missing_is_made_anew(grouplens, tmp_path, reported):
    folder = movielens.fetch("ml-1m", tmp_path, None, reported)
    (folder / "users.dat").unlink()

    movielens.fetch("ml-1m", tmp_path, None, reported)

    assert contents(folder) == MEMBERS


def test_no_network_says_what_from_where_and_whither(no_network, tmp_path, reported):
    with pytest.raises(DatasetError) as caught:
        movielens.fetch("ml-1m", tmp_path / "cache", None, reported)

    message = str(caught.value)
    assert "http://127.0.0.1:9/ml-1m.zip" in message
    assert f"the folder {tmp_path / 'cache'}" in message
    assert "MARQUEE_DATA_DIR" in message
    assert "\n" not in message


def test_archive_put_into_the_cache_by_hand_is_used(no_network, tmp_path, reported):
    (tmp_path / "ml-1m.zip").write_bytes(ORIGINAL)

    assert contents(movielens.fetch("ml-1m", tmp_path, None, reported)) == MEMBERS


@pytest.mark.parametrize("archive", [ORIGINAL, REPACKED], ids=["original", "repacked"])
def test_archive_at_hand_is_used(no_network, tmp_path, reported, archive):
    cache, at_hand = tmp_path / "cache", tmp_path / "data"
    at_hand.mkdir()
    (at_hand / "ml-1m.zip").write_bytes(archive)

    folder = movielens.fetch("ml-1m", cache, at_hand, reported)

    assert folder == cache / "ml-1m"
    assert contents(folder) == MEMBERS
    assert os.listdir(at_hand) == ["ml-1m.zip"]


@pytest.mark.parametrize("name", MEMBERS)
def test_repacked_archive_with_one_other_byte_is_refused(
    no_network, tmp_path, reported, name
):
    changed = MEMBERS | {name: MEMBERS[name].replace(b"1", b"2", 1)}
    (tmp_path / "ml-1m.zip").write_bytes(zip_of(changed))

    with pytest.raises(DatasetError, match=f"SHA-256 of {name}"):
        movielens.fetch("ml-1m", tmp_path / "cache", tmp_path, reported)

    assert os.listdir(tmp_path / "cache") == []


def test_repacked_archive_without_a_member_is_refused(no_network, tmp_path, reported):
    fewer = {name: MEMBERS[name] for name in ("ratings.dat", "movies.dat")}
    (tmp_path / "ml-1m.zip").write_bytes(zip_of(fewer))

    with pytest.raises(DatasetError, match=r"users\.dat is none: it is missing"):
        movielens.fetch("ml-1m", tmp_path / "cache", tmp_path, reported)


def test_repacked_archive_of_unknown_members_is_refused(no_network, tmp_path, reported):
    (tmp_path / "ml-10m.zip").write_bytes(REPACKED)

    with pytest.raises(DatasetError, match="which GroupLens published"):
        movielens.fetch("ml-10m", tmp_path / "cache", tmp_path, reported)


@pytest.mark.parametrize(
    ("name", "folder_name"), [("ml-1m", "ml-1m"), ("ml-10m", "odd")]
)
def test_unpacked_folder_at_hand_is_used_where_it_is(
    no_network, tmp_path, reported, name, folder_name
):
    folder = tmp_path / "data" / folder_name
    folder.mkdir(parents=True)
    for file, content in MEMBERS.items():
        (folder / file).write_bytes(content)

    found = movielens.fetch(name, tmp_path / "cache", tmp_path / "data", reported)

    assert found == folder
    assert reported.calls == []


def test_unpacked_folder_with_another_byte_is_refused(no_network, tmp_path, reported):
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    for file, content in MEMBERS.items():
        (folder / file).write_bytes(content)
    (folder / "ratings.dat").write_bytes(b"1::1193::4::978300760\n")

    with pytest.raises(DatasetError, match=r"SHA-256 of ratings\.dat"):
        movielens.fetch("ml-1m", tmp_path / "cache", tmp_path, reported)


def test_data_dir_that_is_no_folder_is_named(no_network, tmp_path, reported):
    with pytest.raises(DatasetError, match="MARQUEE_DATA_DIR names .*absent"):
        movielens.fetch("ml-1m", tmp_path, tmp_path / "absent", reported)


@pytest.mark.parametrize(
    ("name", "ratings", "lines"),
    [("ml-100k", "u.data", 100_000), ("ml-1m", "ratings.dat", 1_000_209)],
)
def test_real_release_is_known_unpacked_and_repacked(
    movielens_dir, tmp_path, reported, name, ratings, lines
):
    unpacked = movielens.fetch(name, tmp_path / "cache", movielens_dir, reported)
    shutil.make_archive(str(tmp_path / name), "zip", movielens_dir, name)
    repacked = movielens.fetch(name, tmp_path / "cache", tmp_path, reported)

    assert unpacked == movielens_dir / name
    assert repacked == tmp_path / "cache" / name
    assert contents(repacked) == contents(unpacked)
    assert (repacked / ratings).read_bytes().count(b"\n") == lines
