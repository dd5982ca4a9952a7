"""Files that are not what their names say are recognised by their first bytes."""

import gzip

import pytest

from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.inspection import inspect_path

TEXT = b"user_id,item_id,rating\nu,i,4\n"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "r.csv",
            gzip.compress(TEXT, mtime=0),
            "compressed with gzip\nRename .* ends in .gz",
        ),
        ("r.csv.gz", TEXT, "not compressed with gzip.*\nRemove .gz"),
        ("r.xlsx", b"PK\x03\x04\0\0", "an Excel file\nExport the sheet as CSV"),
        ("r.csv", b"PK\x03\x04\0\0", "a zip archive or an Excel file"),
        ("r.xls", b"\xd0\xcf\x11\xe0\0", "an Excel file\nExport the sheet as CSV"),
        ("r.csv", b"PAR1\0\0", "a Parquet file\nRename .* ends in .parquet"),
        ("r.csv", TEXT.replace(b"\n", b"\r"), "lines end in a carriage return"),
    ],
)
def test_what_a_file_is(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInputError, match=message):
        inspect_path(tmp_path / name)


def test_an_id_in_the_name_of_a_folder_is_named(tmp_path):
    (tmp_path / "user_id=1").mkdir()
    (tmp_path / "user_id=1" / "p.csv").write_text("item_id,rating\ni,4\n")
    with pytest.raises(BadInputError, match="user_id is in the name of a folder"):
        inspect_path(tmp_path)


@pytest.mark.parametrize(
    ("written", "settings"),
    [
        ('"4,125"', "data.decimal, data.thousands"),
        ('"1.100,50"', "data.decimal, data.thousands"),
        ('"1,234"', "data.decimal, data.thousands"),
        ('"a \\"b\\" c"', "data.quote, data.escape"),
    ],
)
def test_bad_rows_name_the_settings_that_may_help(tmp_path, written, settings):
    path = tmp_path / "r.csv"
    path.write_text(
        "user_id,item_id,rating\n" + "u,i,4.5\n" * 20_000 + f"v,i,{written}\n"
    )
    found = inspect_path(path)
    assert found.kept == 20_000
    assert settings in found.first_problems[0]
