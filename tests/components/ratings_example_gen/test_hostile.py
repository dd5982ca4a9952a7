"""Files that mean harm: bombs, columns of odd types, archives that name other places.

Mutated files, a hundred thousand of them, are in tests/reliability.
"""

import datetime
import decimal
import gzip
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen import input_errors, part_bytes
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.inspection import inspect_path
from components.ratings_example_gen.read import parquet
from components.ratings_example_gen.settings import Settings

ROOT = Path(__file__).parents[3]
GOOD = b"user_id,item_id,rating,timestamp\n1,10,4,5\n2,20,3,5\n"
COLUMNS = {
    "user_id": pa.array(["u1", "u2", "u3"]),
    "item_id": pa.array(["a", "b", "c"]),
    "rating": pa.array([1.0, 2, 3]),
    "timestamp": pa.array([1, 2, 3]),
}
BAD_UTF8 = pa.Array.from_buffers(
    pa.string(), 3, pa.array([b"\xff", b"\xfe", b"a"]).buffers()
)
NO_TYPE_FOR = {
    "user_id": [
        pa.array([{"a": 1}] * 3),
        pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int8())),
        pa.array([decimal.Decimal("1.5")] * 3),
        pa.array([datetime.timedelta(1)] * 3),
    ],
    "rating": [
        pa.array([{"a": 1}] * 3),
        pa.array([[1, 2]] * 3),
        pa.array([datetime.date(2026, 1, 1)] * 3),
        pa.array([datetime.timedelta(1)] * 3),
    ],
    "timestamp": [
        pa.array([{"a": 1}] * 3),
        pa.array([["a"]] * 3, pa.large_list(pa.string())),
        pa.array([datetime.time(1)] * 3),
    ],
}


def write(folder, **changed):
    path = folder / "own.parquet"
    pq.write_table(pa.table({**COLUMNS, **changed}), path)
    return path


@pytest.mark.parametrize(
    ("column", "values"),
    [(name, values) for name, of_name in NO_TYPE_FOR.items() for values in of_name],
    ids=lambda value: value if isinstance(value, str) else str(value.type),
)
def test_a_column_of_a_type_that_is_none_for_it_is_named(tmp_path, column, values):
    path = write(tmp_path, **{column: values})
    with pytest.raises(BadInputError, match=f"column of {column} is of type") as caught:
        inspect_path(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("column", "values", "bad"),
    [
        ("user_id", BAD_UTF8, {input_errors.UNDECODABLE_BYTES: 2}),
        (
            "user_id",
            pa.array([b"\xff", b"a", None], pa.large_binary()),
            {input_errors.UNDECODABLE_BYTES: 1, input_errors.EMPTY_ID: 1},
        ),
        ("item_id", pa.array([1e300, 2.0, 3.0]), {}),
        ("rating", pa.array(["1", "b", "3"]), {input_errors.NON_NUMERIC_RATING: 1}),
        (
            "rating",
            pa.array(["1", "b", "3"]).dictionary_encode(),
            {input_errors.NON_NUMERIC_RATING: 1},
        ),
        ("rating", pa.array([1, 2, 1e300]), {input_errors.NOT_FINITE: 1}),
        (
            "timestamp",
            pa.array([1, 2, 2**62], pa.timestamp("us")),
            {input_errors.TIME_OUT_OF_RANGE: 1},
        ),
    ],
)
def test_single_values_that_cannot_be_are_bad_rows(tmp_path, column, values, bad):
    found = inspect_path(write(tmp_path, **{column: values}))
    assert found.bad_by_kind == bad
    assert found.kept == 3 - sum(bad.values())


def test_two_columns_of_one_name(tmp_path):
    path = tmp_path / "own.parquet"
    twice = [*COLUMNS.values(), COLUMNS["user_id"]]
    pq.write_table(pa.table(twice, [*COLUMNS, "user_id"]), path)
    with pytest.raises(BadInputError, match="two columns 'user_id'"):
        inspect_path(path)


def test_a_number_is_a_column_s_place_though_a_row_has_it(tmp_path):
    (tmp_path / "own.csv").write_text("1,2,3,0\n1,3,4,0\n")
    columns = {"user_id": "0", "item_id": "1", "rating": "2", "timestamp": "3"}
    found = inspect_path(tmp_path / "own.csv", Settings(columns=columns))
    assert (found.kept, found.users, found.items) == (2, 1, 2)
    wrong = Settings(columns={"user_id": "0", "item_id": "00"})
    with pytest.raises(BadInputError, match="one column for two"):
        inspect_path(tmp_path / "own.csv", wrong)


# Archives. Members are read where they are, never unpacked: names lead nowhere.


@pytest.mark.parametrize(
    ("name", "kind", "kept"),
    [
        ("../../escaped.csv", 0o100644, None),  # as all that begins with a dot
        ("/tmp/escaped.csv", 0o100644, None),
        ("C:\\escaped.csv", 0o100644, 2),
        ("a/link.csv", 0o120777, 2),
        ("a/device.csv", 0o020666, 2),
        ("a/pipe.csv", 0o010666, 2),
    ],
)
def test_a_member_leads_to_no_other_place(tmp_path, name, kind, kept):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "own.zip", "w") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename, info.external_attr = name, kind << 16
        archive.writestr(info, GOOD)
    if kept is None:
        with pytest.raises(BadInputError, match="own.zip: no ratings file"):
            inspect_path(folder / "own.zip")
    else:  # what the member holds, not where a link of its name would lead
        assert inspect_path(folder / "own.zip").kept == kept
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [folder / "own.zip"]


@pytest.mark.parametrize("name", ["own.tar", "own.csv.bz2", "own.7z"])
def test_archives_that_are_not_read_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"BZh9" + bytes(600))
    with pytest.raises(BadInputError, match=name):
        inspect_path(tmp_path / name)


def test_parquet_in_a_zip_has_a_bound(tmp_path, monkeypatch):
    write(tmp_path)
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        archive.write(tmp_path / "own.parquet", "own.parquet")
    assert inspect_path(tmp_path / "own.zip").kept == 3
    monkeypatch.setattr(part_bytes, "MAX_MEMBER_BYTES", 500)
    with pytest.raises(BadInputError, match="Unpack the archive"):
        inspect_path(tmp_path / "own.zip")


READ = """
    import resource, sys
    from pathlib import Path
    from components.ratings_example_gen.inspection import inspect_path
    from components.ratings_example_gen.input_errors import BadInputError

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = peak()
    try:
        print(inspect_path(Path(sys.argv[1])).kept, end=" ")
    except BadInputError as error:
        print("refused", end=" ")
    print(peak() - before)
"""


def read_apart(path):
    """What is kept, and how many kB of memory that took, in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READ), str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    kept, kilobytes = process.stdout.split()
    return kept, int(kilobytes)


def bomb(folder, name):
    """Some kB, of which one thousand times as much comes out."""
    header, blank = GOOD, b"\n" * (1 << 20)
    bad, long = b"x\n" * (1 << 19), b"x" * (1 << 20)
    if name == "lines.csv.gz":
        content = [header, *[blank] * 128]
    elif name == "bad.csv.gz":
        content = [header, *[bad]]
    else:
        content = [header, *[long] * 128]
    if name.endswith(".gz"):
        with gzip.open(folder / name, "wb", 9) as file:
            file.writelines(content)
    elif name == "long.zip":
        with (
            zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("own.csv", "w") as file,
        ):
            for each in content:
                file.write(each)
    return folder / name


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("lines.csv.gz", "2"),
        ("bad.csv.gz", "2"),
        ("long.csv.gz", "refused"),
        ("long.zip", "refused"),
    ],
)
def test_a_bomb_takes_no_memory(tmp_path, name, kept):
    path = bomb(tmp_path, name)
    assert path.stat().st_size < 1 << 20
    found, kilobytes = read_apart(path)
    assert found == kept
    assert kilobytes < 400_000


def test_a_row_group_of_too_many_rows_is_refused_before_it_is_read(
    tmp_path, monkeypatch
):
    path = write(tmp_path)
    monkeypatch.setattr(parquet, "MAX_GROUP_ROWS", 3)
    assert inspect_path(path).kept == 3
    monkeypatch.setattr(parquet, "MAX_GROUP_ROWS", 2)
    with pytest.raises(BadInputError, match="row group of more than 2 rows"):
        inspect_path(path)


def nested_schema(depth):
    """Parquet without rows, of which one column is nested so deep; by hand."""

    def varint(number):
        low, rest = number & 127, number >> 7
        return bytes([low | 128]) + varint(rest) if rest else bytes([low])

    def element(name, num_children=0, kind=None):
        """SchemaElement in Thrift's compact protocol."""
        made, last = b"", 0
        fields = [(1, 5, varint(kind * 2))] if kind is not None else []
        fields += [(3, 5, varint(2)), (4, 8, varint(len(name)) + name)]
        if num_children:
            fields.append((5, 5, varint(num_children * 2)))
        for number, wire_type, value in fields:
            made += bytes([(number - last) << 4 | wire_type]) + value
            last = number
        return made + b"\0"

    columns = [element(name, kind=6) for name in (b"user_id", b"item_id", b"rating")]
    deep = [element(b"a", 1)] * depth + [element(b"a", kind=1)]
    schema = [element(b"root", 4), *columns, *deep]
    footer = b"\x15\x02\x19\xfc" + varint(len(schema)) + b"".join(schema)
    footer += b"\x16\0\x19\x0c\0"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize("depth", [100, 4_900, 100_000])
def test_a_schema_of_any_depth_is_refused(tmp_path, depth):
    """Arrow alone dies of 100,000 levels, for which 800 kB are enough."""
    path = tmp_path / "own.parquet"
    path.write_bytes(nested_schema(depth))
    found, kilobytes = read_apart(path)
    assert found == "refused"
    assert kilobytes < 200_000


def test_parquet_of_too_many_row_groups_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path)
    monkeypatch.setattr(part_bytes, "MAX_FOOTER_ENTRIES", 4)
    with pytest.raises(BadInputError, match="more than 4 columns or row groups") as e:
        inspect_path(path)
    assert str(path) in str(e.value)


def test_a_dictionary_that_unfolds_to_gigabytes_is_refused(tmp_path):
    long = pa.DictionaryArray.from_arrays(
        pa.array([0] * 2_000, pa.int32()), pa.array(["x" * (1 << 20)])
    )
    path = tmp_path / "own.parquet"
    numbers = pa.array(range(2_000))
    pq.write_table(pa.table({"user_id": long, "item_id": numbers}), path)
    assert path.stat().st_size < 1 << 20
    found, kilobytes = read_apart(path)
    assert found == "refused"
    assert kilobytes < 400_000


def test_text_stays_encoded_until_its_length_is_known(tmp_path, monkeypatch):
    path = write(tmp_path, user_id=pa.array(["x" * 500] * 3))
    monkeypatch.setattr(parquet, "MAX_GROUP_BYTES", 1_500)
    assert inspect_path(path).users == 1
    monkeypatch.setattr(parquet, "MAX_GROUP_BYTES", 1_499)
    with pytest.raises(BadInputError, match="1,500 bytes of text in a column"):
        inspect_path(path)


def test_a_table_of_100_000_columns_is_read(tmp_path):
    names = [*("user_id", "item_id", "rating"), *(f"c{n}" for n in range(100_000))]
    rows = [f"u{n},i{n},4" + ",1" * 100_000 for n in range(10)]
    path = tmp_path / "own.csv"
    path.write_text("\n".join([",".join(names), *rows]) + "\n")
    found, kilobytes = read_apart(path)
    assert found == "10"
    assert kilobytes < 400_000


def test_a_header_of_megabytes_is_refused(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("user_id,item_id," + "x" * (4 << 20) + "\nu,i,1\n")
    with pytest.raises(BadInputError, match="a line is longer than 1048576 bytes") as e:
        inspect_path(path)
    assert str(path) in str(e.value)


def test_an_archive_of_too_many_members_is_refused(tmp_path):
    path = tmp_path / "own.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1_001):
            archive.writestr(f"{number}.csv", GOOD)
    with pytest.raises(BadInputError, match="own.zip: the archive has 1,001 members"):
        inspect_path(path)


class Evil(pa.PyExtensionType):
    """A type that makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder
        super().__init__(pa.string())

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("command", [["data"], ["schema", "propose"]])
def test_a_type_in_a_parquet_file_is_not_unpickled(tmp_path, command):
    """CVE-2023-47248 of this Arrow; in a process that has loaded nothing else."""
    made = tmp_path / "made"
    evil = pa.ExtensionArray.from_storage(Evil(str(made)), COLUMNS["user_id"])
    path = write(tmp_path, user_id=evil)
    process = subprocess.run(
        [sys.executable, "-m", "pipeline", *command, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 3, process.stderr
    assert "Traceback" not in process.stderr
    assert str(path) in "".join(process.stderr.split())
    assert not made.exists()
