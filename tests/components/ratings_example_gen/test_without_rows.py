"""Rows of users and items are left out of copies; all other bytes stay, by hand."""

import gzip
import io
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen import Settings, recognise_ratings
from components.ratings_example_gen.without_rows import (
    NotRewrittenError,
    copy_without,
    find_rows,
)

HEADER = "user_id,item_id,rating,timestamp\n"
WANTED = {"user_id": {"zoe"}, "item_id": set()}


def without(path, wanted=WANTED, settings=None):
    """Copies a file; returns the number of rows that were left out, and the copy."""
    layout = recognise_ratings(path, settings or Settings())
    places = {}
    for part in layout.ratings:
        found, _ = find_rows(part, wanted, lambda text: "zoe" in text)
        if found:
            places[part] = found
    target = path.with_name(f"copy-{path.name}")
    copy_without(path, places, target)
    return sum(map(len, places.values())), target.read_bytes()


PLAIN = [HEADER, "ann,i1,5,1600000000\n", "zoe,i2,4,1600000001\n"]
PLAIN += ["zoey,i2,4,1600000001\n", "bob,zoe,3,1600000002\n", "zoe,i9,1,1600000003\n"]
KEPT = "".join(line for line in PLAIN if not line.startswith("zoe,"))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("ratings.csv", str.encode),
        ("ratings.csv", lambda text: b"\xef\xbb\xbf" + text.encode()),
        ("ratings.csv", lambda text: text.replace("\n", "\r\n").encode()),
        ("ratings.csv", lambda text: text.rstrip("\n").encode()),
        ("ratings.csv", lambda text: f"# a log\n{text}".encode()),
        ("ratings.csv", lambda text: text.replace(",", ";").encode()),
        ("ratings.tsv", lambda text: text.replace(",", "\t").encode()),
        (
            "ratings.dat",
            lambda text: text.partition("\n")[2].replace(",", "::").encode(),
        ),
        ("ratings.csv", lambda text: text.encode("utf-16")),
    ],
    ids=[
        "plain",
        "mark",
        "crlf",
        "no-end",
        "preamble",
        "semicolon",
        "tab",
        "dat",
        "16",
    ],
)
def test_other_bytes_of_text_stay(tmp_path, name, write):
    path = tmp_path / name
    path.write_bytes(write("".join(PLAIN)))
    rows, copied = without(path)
    assert rows == 2
    expected = write(KEPT)
    if write("x") == b"x":  # without a final line end, the last kept line has one
        expected = expected.rstrip(b"\n") + copied[len(expected.rstrip(b"\n")) :]
    assert copied == expected


def test_records_of_several_lines_go_as_a_whole(tmp_path):
    path = tmp_path / "ratings.csv"
    header = "user_id,item_id,rating,note\n"
    first, last = 'ann,i1,5,"two\nlines"\n', "bob,i3,3,zoe\n"
    path.write_text(header + first + 'zoe,i2,4,"so\nmany\nlines"\n' + last)
    assert without(path) == (1, (header + first + last).encode())


def test_bad_rows_that_mention_the_id_go_too(tmp_path):
    path = tmp_path / "ratings.csv"
    good = "ann,i1,5,1600000000\n"
    path.write_text(HEADER + good + "zoe,i2,none,1600000001\nzoe,i2,4,5,6,7\nann,i2\n")
    assert without(path) == (2, f"{HEADER}{good}ann,i2\n".encode())


def test_an_item_goes_from_all_users(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("".join(PLAIN))
    rows, copied = without(path, {"user_id": set(), "item_id": {"i2"}})
    assert (rows, copied.decode()) == (2, "".join([PLAIN[0], PLAIN[1], *PLAIN[4:]]))


def test_json_lines(tmp_path):
    path = tmp_path / "ratings.jsonl"
    lines = [
        '{"user_id": "ann", "item_id": "i1", "rating": 5}\n',
        '{"rating": 5, "user_id": "zoe", "item_id": "i1"}\n',
        '{"user_id": "bob", "item_id": "i1", "rating": 5, "note": "zoe"}\n',
    ]
    path.write_text("".join(lines))
    assert without(path) == (1, "".join([lines[0], lines[2]]).encode())


def test_a_number_is_the_same_id_however_it_is_written(tmp_path):
    path = tmp_path / "ratings.parquet"
    table = pa.table(
        {
            "user_id": pa.array([7.0, 17.0, 7.0, 8.0]),
            "item_id": ["a", "b", "c", "d"],
            "rating": [1, 2, 3, 4],
            "other": [["x"], [], None, ["y"]],
        }
    )
    pq.write_table(table, path, compression="gzip", row_group_size=2)
    rows, copied = without(path, {"user_id": {"7"}})
    assert rows == 2
    file = pq.ParquetFile(io.BytesIO(copied))
    assert file.read().equals(table.take([1, 3]))
    assert file.num_row_groups == 2
    assert file.metadata.row_group(0).column(0).compression == "GZIP"


def test_compressed_files_and_archives_stay_compressed(tmp_path):
    plain = tmp_path / "ratings.csv.gz"
    plain.write_bytes(gzip.compress("".join(PLAIN).encode()))
    rows, copied = without(plain)
    assert (rows, gzip.decompress(copied).decode()) == (2, KEPT)
    archive = tmp_path / "log.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("log/a.csv", "".join(PLAIN))
        file.writestr("log/b.csv", f"{HEADER}ann,i5,5,1600000000\n")
        file.writestr("README", "zoe wrote this")
    rows, copied = without(archive)
    assert rows == 2
    with zipfile.ZipFile(io.BytesIO(copied)) as file:
        assert file.testzip() is None
        assert {name: file.read(name).decode() for name in file.namelist()} == {
            "log/a.csv": KEPT,
            "log/b.csv": f"{HEADER}ann,i5,5,1600000000\n",
            "README": "zoe wrote this",
        }


def test_a_copy_that_lost_other_rows_is_refused(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("".join(PLAIN))
    [part] = recognise_ratings(path, Settings()).ratings
    with pytest.raises(NotRewrittenError, match="has 5 rows, 2 of which"):
        copy_without(path, {part: {3, 300}}, tmp_path / "copy.csv")
