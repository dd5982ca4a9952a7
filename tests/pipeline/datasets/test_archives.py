import hashlib
import os
import shutil
import stat
import zipfile

import pytest
import requests

from pipeline.datasets import archives
from pipeline.datasets.errors import DatasetError

BODY = bytes(range(256)) * 20_000  # 5 MB: several blocks
BODY_MD5 = hashlib.md5(BODY).hexdigest()


def nothing(*_):
    pass


# --- download ---------------------------------------------------------------------


def test_download_gives_the_bytes_and_reports_them(server, tmp_path, reported):
    server.files["/a.zip"] = BODY
    target = tmp_path / "new" / "a.zip"

    archives.download(f"{server.url}/a.zip", target, BODY_MD5, reported)

    assert target.read_bytes() == BODY
    assert os.listdir(target.parent) == ["a.zip"]
    assert reported.calls[0] == ("Downloading a.zip", 0, len(BODY))
    assert reported.calls[-1] == ("Downloading a.zip", len(BODY), len(BODY))
    assert len(reported.calls) > 3
    assert [done for _, done, _ in reported.calls] == sorted(
        done for _, done, _ in reported.calls
    )


def test_broken_connection_goes_on_where_it_broke(server, tmp_path, reported):
    server.files["/a.zip"] = BODY
    server.break_after = [1_000_000, 1_500_000]

    archives.download(f"{server.url}/a.zip", tmp_path / "a.zip", BODY_MD5, reported)

    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert server.ranges == [None, "bytes=1000000-", "bytes=2500000-"]
    assert {total for _, _, total in reported.calls} == {len(BODY)}


def test_part_of_an_earlier_run_is_completed(server, tmp_path):
    server.files["/a.zip"] = BODY
    (tmp_path / "a.zip.part").write_bytes(BODY[:3_000])

    archives.download(f"{server.url}/a.zip", tmp_path / "a.zip", BODY_MD5, nothing)

    assert server.ranges == ["bytes=3000-"]
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert os.listdir(tmp_path) == ["a.zip"]


def test_part_that_is_complete_already_is_used(server, tmp_path):
    server.files["/a.zip"] = BODY
    (tmp_path / "a.zip.part").write_bytes(BODY)

    archives.download(f"{server.url}/a.zip", tmp_path / "a.zip", BODY_MD5, nothing)

    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_server_without_range_starts_again(server, tmp_path):
    server.files["/a.zip"] = BODY
    server.supports_range = False
    server.break_after = [1_000_000]

    archives.download(f"{server.url}/a.zip", tmp_path / "a.zip", BODY_MD5, nothing)

    assert server.ranges == [None, "bytes=1000000-"]
    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_part_is_kept_when_the_connection_breaks_too_often(server, tmp_path):
    server.files["/a.zip"] = BODY
    server.break_after = [1_000] * 100

    with pytest.raises(DatasetError, match="Run this again"):
        archives.download(f"{server.url}/a.zip", tmp_path / "a.zip", BODY_MD5, nothing)

    assert len(server.ranges) == archives.MAX_CONNECTIONS
    kept = 1_000 * archives.MAX_CONNECTIONS
    assert (tmp_path / "a.zip.part").read_bytes() == BODY[:kept]
    assert not (tmp_path / "a.zip").exists()


def test_wrong_bytes_never_get_the_name(server, tmp_path):
    server.files["/a.zip"] = BODY[:-1] + b"x"

    with pytest.raises(DatasetError, match=f"{BODY_MD5} was published.*deleted"):
        archives.download(f"{server.url}/a.zip", tmp_path / "a.zip", BODY_MD5, nothing)

    assert os.listdir(tmp_path) == []


def test_busy_server_is_asked_again(server, tmp_path):
    server.files["/a.zip"] = BODY
    server.statuses = [503]

    archives.download(f"{server.url}/a.zip", tmp_path / "a.zip", BODY_MD5, nothing)

    assert len(server.ranges) == 2
    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_missing_file_leaves_nothing(server, tmp_path):
    with pytest.raises(requests.HTTPError):
        archives.download(f"{server.url}/a.zip", tmp_path / "a.zip", BODY_MD5, nothing)

    assert os.listdir(tmp_path) == []


# --- unpack -----------------------------------------------------------------------


def make_zip(path, members):
    """A zip of ``{name or ZipInfo: bytes}``, beginning with a good `d/ratings.dat`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d/ratings.dat", b"1::1::5::1\n")
        for member, content in members.items():
            archive.writestr(member, content)
    return path


def unpack(archive, destination, *, max_bytes=10_000, check=nothing, progress=nothing):
    archives.unpack(
        archive,
        destination,
        landmark="ratings.dat",
        max_bytes=max_bytes,
        check=check,
        progress=progress,
    )


def member(name, **attributes):
    info = zipfile.ZipInfo("placeholder")
    info.filename = name  # after __init__, which would make it harmless
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def test_unpack_gives_the_landmarks_folder_only(tmp_path, reported):
    archive = make_zip(
        tmp_path / "a.zip",
        {"d/sub/x.txt": b"x", "__MACOSX/d/._ratings.dat": b"m", "other.txt": b"o"},
    )

    unpack(archive, tmp_path / "out", progress=reported)

    found = {
        str(path.relative_to(tmp_path / "out")): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == {"ratings.dat": b"1::1::5::1\n", "sub/x.txt": b"x"}
    assert reported.calls[-1] == ("Unpacking a.zip", 12, 12)
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "out"]


SYMLINK = (stat.S_IFLNK | 0o777) << 16
FIFO = (stat.S_IFIFO | 0o644) << 16


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (member("../evil.txt"), "leave the folder"),
        (member("d/../../evil.txt"), "leave the folder"),
        (member("/evil.txt"), "leave the folder"),
        (member("C:/evil.txt"), "leave the folder"),
        (member("c:evil.txt"), "leave the folder"),
        (member("d\\..\\..\\evil.txt"), "leave the folder"),
        (member("d/link", external_attr=SYMLINK), "link"),
        (member("d/pipe", external_attr=FIFO), "device"),
        (member("d/bz2", compress_type=zipfile.ZIP_BZIP2), "deflate"),
        (member("d/ratings.dat"), "twice"),
        (member("e/ratings.dat"), "2 files named ratings.dat"),
    ],
    ids=lambda value: getattr(value, "filename", ""),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unsafe_member_refuses_the_whole_archive(tmp_path, bad, reason):
    inside = tmp_path / "inside"
    inside.mkdir()
    archive = make_zip(inside / "a.zip", {bad: b"/etc/passwd"})

    with pytest.raises(DatasetError, match=reason):
        unpack(archive, inside / "out")

    assert os.listdir(inside) == ["a.zip"]
    assert os.listdir(tmp_path) == ["inside"]


def test_bomb_is_refused_before_anything_is_written(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"d/zeros": bytes(50_000_000)})
    assert archive.stat().st_size < 100_000

    with pytest.raises(DatasetError, match="more than the 10,000 expected"):
        unpack(archive, tmp_path / "out")

    assert os.listdir(tmp_path) == ["a.zip"]


def test_bomb_that_lies_about_its_size_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"d/zeros": bytes(5_000_000)})
    raw = archive.read_bytes()
    honest, lie = (5_000_000).to_bytes(4, "little"), (5_000).to_bytes(4, "little")
    assert raw.count(honest) == 2  # local and central header
    archive.write_bytes(raw.replace(honest, lie))

    with pytest.raises(DatasetError, match="CRC"):
        unpack(archive, tmp_path / "out")

    assert os.listdir(tmp_path) == ["a.zip"]


def test_too_many_members_are_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {f"d/{n}": b"" for n in range(1_001)})

    with pytest.raises(DatasetError, match="1,002 members"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("keep", [0, 40, 900, -1])
def test_truncated_archive_is_refused(tmp_path, keep):
    archive = make_zip(tmp_path / "a.zip", {"d/noise": os.urandom(2_000)})
    archive.write_bytes(archive.read_bytes()[:keep])

    with pytest.raises(DatasetError, match="get it again"):
        unpack(archive, tmp_path / "out")

    assert os.listdir(tmp_path) == ["a.zip"]


def test_name_that_is_not_utf8_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"d/é": b""})
    raw = archive.read_bytes()
    assert raw.count("é".encode()) == 2
    archive.write_bytes(raw.replace("é".encode(), b"\xff\xff"))

    with pytest.raises(DatasetError, match="utf-8"):
        unpack(archive, tmp_path / "out")


def test_flipped_byte_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"d/noise": os.urandom(2_000)})
    raw = bytearray(archive.read_bytes())
    raw[1_000] ^= 1
    archive.write_bytes(raw)

    with pytest.raises(DatasetError, match="CRC"):
        unpack(archive, tmp_path / "out")

    assert os.listdir(tmp_path) == ["a.zip"]


def test_any_damaged_byte_is_either_harmless_or_refused(tmp_path):
    content = b"1::1193::5::978300760\n" * 20
    archive = make_zip(tmp_path / "a.zip", {"d/more.dat": content})
    good = archive.read_bytes()
    refused = 0
    for position in range(len(good)):
        for value in (0x00, 0xFF, good[position] ^ 0x08):
            raw = bytearray(good)
            raw[position] = value
            archive.write_bytes(raw)
            try:
                unpack(archive, tmp_path / "out")
            except DatasetError:
                refused += 1
                assert os.listdir(tmp_path) == ["a.zip"]
            else:
                assert (tmp_path / "out/ratings.dat").read_bytes() == b"1::1::5::1\n"
                shutil.rmtree(tmp_path / "out")
    assert refused > len(good)


def test_failed_check_leaves_nothing(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {})

    def refuse(folder):
        assert (folder / "ratings.dat").exists()
        raise DatasetError("not the one")

    with pytest.raises(DatasetError, match="not the one"):
        unpack(archive, tmp_path / "out", check=refuse)

    assert os.listdir(tmp_path) == ["a.zip"]


def test_folder_that_another_process_made_first_is_kept(tmp_path):
    with archives.whole_folder(tmp_path / "out") as temporary:
        (temporary / "mine").write_text("mine")
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").write_text("theirs")

    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == ["theirs"]
