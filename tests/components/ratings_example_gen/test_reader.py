"""The block reader against lines that are parsed by hand."""

import csv
import gzip
import io
import re
import zipfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ratings_example_gen import files, input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.inspection import inspect_path
from components.ratings_example_gen.parts import Part, find_parts
from components.ratings_example_gen.read import csv_text as text
from components.ratings_example_gen.read.block_report import BlockReport, first_lines
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.recognise.recognition import recognise
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.side_files.users import describe_users, read_users

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
CSV = {"user_id": "0", "item_id": "1", "rating": "2", "timestamp": "3"}


@dataclass
class Found:
    """Rows (user, item, rating, timestamp) in order; (line, kind) of the others."""

    rows: list[tuple[str, str, float, int]]
    bad: list[tuple[int, str]]


def read(path: Path, columns=None, block_bytes=1 << 24, **dialect) -> Found:
    """Reads a path with the code under test, whatever number of blocks it takes."""
    paths = files.list_files(str(path))
    layout = recognise(paths, columns, dialect=Dialect(**dialect))
    return read_parts(layout.ratings, block_bytes)


def read_parts(parts, block_bytes=1 << 24, limits=(None, None)) -> Found:
    reader = RatingsReader(*limits)
    rows, bad, found = [], [], []
    for block in plan_blocks(parts, block_bytes):
        report = BlockReport(block)
        found.append(report)
        for ratings in reader.read(parts[block.part], block):
            report.add(ratings)
            bad += [(block.number, line, kind) for line, kind, _, _ in ratings.bad]
            table = ratings.table.to_pydict()
            times = table.get("timestamp", [0] * ratings.table.num_rows)
            values = (table["user_id"], table["item_id"], table["rating"], times)
            rows += zip(*values, strict=True)
    before = first_lines(found)
    return Found(rows, [(before[number] + line, kind) for number, line, kind in bad])


def float32(value: float) -> float:
    return pa.scalar(value, pa.float32()).as_py()


def by_hand(data: bytes, delimiter=",", quoted=True, num_fields=4) -> Found:
    """Parses user, item, rating, timestamp record by record, in plain Python.

    A line with an odd number of quotes and the next such line are one record, if that
    has the right number of fields.
    """
    found = Found([], [])
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    number = 0
    while number < len(lines):
        first, number = number, number + 1
        line = lines[first]
        if quoted and line.count(b'"') % 2:
            closing = (n for n in range(number, len(lines)) if lines[n].count(b'"') % 2)
            last = next(closing, first)
            whole = b"\n".join(lines[first : last + 1])
            if last > first and is_record(whole, delimiter, num_fields):
                line, number = whole, last + 1
        line = line.removesuffix(b"\r")
        if line:
            row = parse_line(line, delimiter, quoted, num_fields)
            number_of_first = first + 1
            if isinstance(row, str):
                found.bad.append((number_of_first, row))
            else:
                found.rows.append(row)
    return found


def is_record(data: bytes, delimiter: str, num_fields: int) -> bool:
    """Whether some lines are one record, by Python's csv."""
    text = io.StringIO(data.decode("latin-1"), newline="")
    try:
        records = list(csv.reader(text, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return [len(record) for record in records] == [num_fields]


def parse_line(line: bytes, delimiter: str, quoted: bool, num_fields: int):
    if b"\r" in line.replace(b"\r\n", b""):
        return input_errors.CONTROL_CHARACTER
    text = line.decode("latin-1")
    if quoted:
        try:
            lines = io.StringIO(text, newline="")
            fields = next(csv.reader(lines, delimiter=delimiter, strict=True))
        except csv.Error:
            return input_errors.UNCLOSED_QUOTE
    else:
        fields = text.split(delimiter)
    if len(fields) != num_fields:
        return input_errors.WRONG_NUMBER_OF_FIELDS
    ids = []
    for field in fields[:2]:
        try:
            ids.append(field.encode("latin-1").decode("utf-8").strip(" \t\n\v\f\r"))
        except UnicodeDecodeError:
            return input_errors.UNDECODABLE_BYTES
        if "\0" in ids[-1]:
            return input_errors.CONTROL_CHARACTER
        if not ids[-1]:
            return input_errors.EMPTY_ID
    kinds = (input_errors.NON_NUMERIC_RATING, input_errors.NON_NUMERIC_TIME)
    numbers = []
    for field, kind in zip(fields[2:4], kinds, strict=True):
        field = field.strip(" \t\n\v\f\r")
        if NOT_FINITE.fullmatch(field):
            return input_errors.NOT_FINITE
        if not NUMBER.fullmatch(field):
            return kind
        numbers.append(float(field))
        if abs(numbers[-1]) > 3.4028235e38:
            return input_errors.NOT_FINITE
    if not -62135596800 <= numbers[1] <= 253402300799:
        return input_errors.TIME_OUT_OF_RANGE
    return (*ids, float32(numbers[0]), int(numbers[1] // 1))


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def own_part(path: Path, **changes) -> Part:
    described = {
        "dialect": Dialect(",", quote='"', null_values=()),
        "num_fields": 4,
        "columns": (("user_id", 0), ("item_id", 1), ("rating", 2), ("timestamp", 3)),
        "size": path.stat().st_size,
    }
    return Part(str(path), **{**described, **changes})


# Mostly near-misses of rows, so that every kind of damage is met often.
PIECES = st.sampled_from(
    [
        *(b"u1,i1,5,978300760\n", b'"u,2","i""2",3.5,1\r\n', b"u3,i3,nan,7\n", b"\n"),
        *(b'5" disc,i,1,2\n', b'"a,b"",1,2,3\n', b'x"y,"zz,1,2\n', b"\r\n", b'"a"b,'),
        *(b"u1", b"\xc3\xa9", b"\xff", b",", b",", b'"', b"\r", b"\n", b" ", b"-1e3"),
        *(
            b"5",
            b".5",
            b"1e400",
            b"0x10",
            b"inf",
            b"+2",
            b"\x01",
            b"\xef\xbb\xbf",
            b"::",
        ),
        *(b"999999999999999", b"u\xe2\x82\xac,\xf0\x9f\x8e\xac,1,2\n"),
    ]
)
NOISE = st.lists(PIECES | st.binary(max_size=6), max_size=16).map(b"".join)


class TestAgainstLinesParsedByHand:
    @pytest.fixture(autouse=True, scope="class", params=["arrow", "small"])
    def parser(self, request):
        """Reads small text with Arrow, too, as larger text is."""
        with pytest.MonkeyPatch.context() as patch:
            if request.param == "arrow":
                patch.setattr(text, "_SMALL_BYTES", 0)
            yield

    @settings(max_examples=50)
    @given(data=NOISE, block_bytes=st.integers(12, 80))
    def test_any_bytes_with_quotes(self, tmp_path_factory, data, block_bytes):
        path = write(tmp_path_factory.getbasetemp() / "noise.csv", data)
        assert read_parts([own_part(path)], block_bytes) == by_hand(data)

    @settings(max_examples=50)
    @given(data=NOISE, block_bytes=st.integers(12, 80))
    def test_any_bytes_without_quotes(self, tmp_path_factory, data, block_bytes):
        path = write(tmp_path_factory.getbasetemp() / "noise.tsv", data)
        part = own_part(path, dialect=Dialect("\t", quote="", null_values=()))
        assert read_parts([part], block_bytes) == by_hand(data, "\t", quoted=False)

    @settings(max_examples=50)
    @given(data=NOISE.map(lambda data: data.replace(b",", b"::")))
    def test_any_bytes_between_double_colons(self, tmp_path_factory, data):
        data = data.replace(b"\x01", b"1")  # A line with it is refused; see below.
        path = write(tmp_path_factory.getbasetemp() / "noise.dat", data)
        part = own_part(path, dialect=Dialect("::", quote="", null_values=()))
        assert read_parts([part]) == by_hand(data, "::", quoted=False)

    @settings(max_examples=50)
    @given(
        ids=st.lists(
            st.text(
                st.characters(
                    blacklist_categories=["Cs"], blacklist_characters="\r\n\0"
                ),
                min_size=1,
            ),
            min_size=1,
            max_size=8,
        )
    )
    def test_any_unicode_id_comes_back(self, tmp_path_factory, ids):
        path = tmp_path_factory.getbasetemp() / "unicode.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
            writer.writerow(["user_id", "item_id"])
            writer.writerows((name, name[::-1]) for name in ids)
        found = read(path, delimiter=",", keep_blanks=True, null_values=())
        assert found.rows == [(name, name[::-1], 1.0, 0) for name in ids]

    @settings(max_examples=50)
    @given(data=NOISE, block_bytes=st.integers(12, 80))
    def test_every_line_is_kept_or_named(self, tmp_path_factory, data, block_bytes):
        data = data.replace(b'"', b"'")  # each line is a record
        path = write(tmp_path_factory.getbasetemp() / "all.csv", data)
        found = read_parts([own_part(path)], block_bytes)
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        assert len(found.rows) + len(found.bad) == sum(
            line.removesuffix(b"\r") != b"" for line in lines
        )

    def test_movielens_100k(self, movielens_dir):
        found = read(movielens_dir / "ml-100k")
        data = (movielens_dir / "ml-100k" / "u.data").read_bytes()
        assert found == by_hand(data, "\t", quoted=False)
        assert len(found.rows) == 100_000
        assert len({row[0] for row in found.rows}) == 943


ROWS = [("u1", "é", 4.5, 100), ("u,2", 'say "hi"', 1.0, 50), ("u1", "3", 2.0, 100)]


@pytest.fixture
def plain(tmp_path) -> Path:
    path = tmp_path / "ratings-own.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["userId", "Item ID", "score", "ts"])
        writer.writerows(ROWS)
    return path


class TestFormats:
    def test_plain_csv(self, plain):
        assert read(plain) == Found(ROWS, [])

    def test_gzip(self, plain, tmp_path):
        path = write(tmp_path / "r.csv.gz", gzip.compress(plain.read_bytes()))
        assert read(path).rows == ROWS

    def test_zip_reads_members_in_place(self, plain, tmp_path):
        path = tmp_path / "r.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(plain, "../../outside.csv")
        with pytest.raises(BadInputError):  # Names that begin with a dot are hidden.
            read(path)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(plain, "deep/er/r.csv")
        assert read(path).rows == ROWS
        assert not list(tmp_path.glob("deep*"))

    @pytest.mark.parametrize("row_group_size", [1, 10])
    def test_parquet(self, plain, tmp_path, row_group_size):
        pq.write_table(
            pa_csv.read_csv(plain),
            tmp_path / "r.parquet",
            row_group_size=row_group_size,
        )
        assert read(tmp_path / "r.parquet").rows == ROWS

    def test_parquet_types(self, tmp_path):
        when = datetime(2001, 9, 9, 1, 46, 40, 5, tzinfo=UTC)
        table = pa.table(
            {
                "user": pa.array([7, None], pa.int64()),
                "item": pa.array(["a", "b"]).dictionary_encode(),
                "rating": pa.array([3, None], pa.int8()),
                "time": pa.array([when, when], pa.timestamp("us", "UTC")),
            }
        )
        pq.write_table(table, tmp_path / "r.parquet")
        found = read(tmp_path / "r.parquet")
        assert found.rows == [("7", "a", 3.0, 1_000_000_000)]
        assert found.bad == [(2, input_errors.EMPTY_ID)]

    def test_folder_of_parts_in_the_order_of_their_names(self, tmp_path):
        write(tmp_path / "part-1.tsv", b"a\tx\t1\t5\n")
        write(tmp_path / "part-0.tsv.gz", gzip.compress(b"b\ty\t2\t6\n"))
        write(tmp_path / "_SUCCESS", b"")
        write(tmp_path / ".part-0.tsv.gz.crc", b"\0")
        assert [row[0] for row in read(tmp_path).rows] == ["b", "a"]

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"\xef\xbb\xbf" + data,
            lambda data: data.replace(b"\n", b"\r\n"),
            lambda data: data.rstrip(b"\n"),
            lambda data: data + b"\n\r\n\n",
            lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n") + b"\r\n",
        ],
        ids=["BOM", "CRLF", "no last newline", "blank last lines", "Windows"],
    )
    def test_harmless_differences(self, plain, damage):
        write(plain, damage(plain.read_bytes()))
        assert read(plain) == Found(ROWS, [])

    def test_names_map_columns_in_any_order(self, tmp_path):
        path = write(tmp_path / "r.csv", b"when;who;what;why\n5;a;x;?\n")
        columns = {"user_id": "who", "item_id": "what", "timestamp": "when"}
        assert read(path, columns).rows == [("a", "x", 1.0, 5)]

    def test_numbers_map_columns_without_header(self, tmp_path):
        path = write(tmp_path / "r.csv", b"5,a,x\n6,b,y\n")
        columns = {"user_id": "1", "item_id": "2", "timestamp": "0"}
        assert read(path, columns).rows == [("a", "x", 1.0, 5), ("b", "y", 1.0, 6)]

    def test_numbers_map_columns_under_a_known_header(self, tmp_path):
        path = write(tmp_path / "r.csv", b"item_id,user_id\nx,a\n")
        assert read(path, {"user_id": "1", "item_id": "0"}).rows == [("a", "x", 1.0, 0)]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("ratings.dat", "é::1::5::9\n"),
            ("u.data", "é\t1\t5\t9\n"),
            ("own.csv", "é,1,5,9\n"),
        ],
    )
    def test_bytes_that_are_not_utf_8_need_a_setting(self, tmp_path, name, text):
        path = write(tmp_path / name, text.encode("latin-1"))
        assert read(path).bad == [(1, input_errors.UNDECODABLE_BYTES)]
        rows = read(path, encoding="latin-1").rows
        assert rows == [("é", "1", 5.0, 9)]

    @pytest.mark.parametrize(
        ("names", "layout"),
        [
            ({"u.data": b"1\t2\t3\t4\n"}, "MovieLens 100K"),
            ({"ratings.dat": b"1::2::3::4\n", "movies.dat": b""}, "MovieLens 1M/10M"),
            (
                {"ratings.csv": b"userId,movieId,rating,timestamp\r\n1,2,3,4\r\n"},
                "CSV, with header",
            ),
            ({"mine.csv": b"user_id,item_id\n1,2\n"}, "CSV, with header"),
            ({"mine.tsv": b"1\t2\n"}, "TSV, without header"),
        ],
    )
    def test_recognises(self, tmp_path, names, layout):
        for name, data in names.items():
            write(tmp_path / name, data)
        found = recognise(files.list_files(str(tmp_path)))
        assert found.name == layout
        assert read(tmp_path).rows[0][:2] == ("1", "2")

    def test_many_columns(self, tmp_path):
        extra = ",".join(f"c{i}" for i in range(400))
        rows = "".join(f'u{i},"i,{i}",{extra}\n' for i in range(5))
        path = write(
            tmp_path / "r.csv", f"user_id,item_id,{extra}\n{rows}a,b\n".encode()
        )
        found = read(path)
        assert [row[1] for row in found.rows] == [f"i,{i}" for i in range(5)]
        assert found.bad == [(7, input_errors.WRONG_NUMBER_OF_FIELDS)]


class TestBadRows:
    GOOD = b"u,i,4,100\n"

    @pytest.mark.parametrize(
        ("row", "kind"),
        [
            (b"u,i,4", input_errors.WRONG_NUMBER_OF_FIELDS),
            (b"u,i,4,100,", input_errors.WRONG_NUMBER_OF_FIELDS),
            (b"u,i,four,100", input_errors.NON_NUMERIC_RATING),
            (b"u,i,,100", input_errors.NON_NUMERIC_RATING),
            (b"u,i,0x4,100", input_errors.NON_NUMERIC_RATING),
            (b"u,i,4,1997-09-20", input_errors.NON_NUMERIC_TIME),
            (b"u,i,4,0x10", input_errors.NON_NUMERIC_TIME),
            (b"u,i,5.5,100", input_errors.RATING_OUT_OF_RANGE),
            (b"u,i,0.4,100", input_errors.RATING_OUT_OF_RANGE),
            (b"u,i,NaN,100", input_errors.NOT_FINITE),
            (b"u,i,-inf,100", input_errors.NOT_FINITE),
            (b"u,i,4,nan", input_errors.NOT_FINITE),
            (b"u,i,4,978300760000", input_errors.TIME_OUT_OF_RANGE),
            (b",i,4,100", input_errors.EMPTY_ID),
            (b'u,"",4,100', input_errors.EMPTY_ID),
            (b"\xff,i,4,100", input_errors.UNDECODABLE_BYTES),
            (b'u,"i,4,100', input_errors.UNCLOSED_QUOTE),
            (b'"u"x,i,4,100', input_errors.UNCLOSED_QUOTE),
            (b"u,i\r,4,100", input_errors.CONTROL_CHARACTER),
        ],
    )
    @pytest.mark.parametrize("block_bytes", [7, 1 << 24])
    def test_is_named_by_line(self, tmp_path, row, kind, block_bytes):
        data = self.GOOD + b"\n" + row + b"\n" + self.GOOD
        path = write(tmp_path / "r.csv", data)
        found = read_parts([own_part(path)], block_bytes, limits=(0.5, 5))
        assert found.bad == [(3, kind)]
        assert found.rows == [("u", "i", 4.0, 100)] * 2

    def test_the_separator_that_stands_for_colons(self, tmp_path):
        path = write(tmp_path / "ratings.dat", b"1\x012::3::4\n" + 2 * b"1::2::3::4\n")
        assert read(path).bad == [(1, input_errors.CONTROL_CHARACTER)]

    def test_lines_count_the_header_and_go_on_through_an_archive(self, tmp_path):
        rows = self.GOOD * 70_000 + b"u,i,x,1\n"
        data = b"user,item,rating,time\n" + rows
        path = write(tmp_path / "r.csv.gz", gzip.compress(data * 1, 1))
        assert read(path).bad == [(70_002, input_errors.NON_NUMERIC_RATING)]

    def test_parquet_rows_are_counted_across_row_groups(self, tmp_path):
        table = pa.table({"user": ["a", "b", "", "d"], "item": list("wxyz")})
        pq.write_table(table, tmp_path / "r.parquet", row_group_size=2)
        assert read(tmp_path / "r.parquet").bad == [(3, input_errors.EMPTY_ID)]


class TestBadFiles:
    def refused(self, path: Path, columns=None) -> BadInputError:
        with pytest.raises(BadInputError) as caught:
            read(path, columns)
        return caught.value

    @pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
    def test_empty(self, tmp_path, data):
        error = self.refused(write(tmp_path / "r.csv", data))
        assert error.counts == {input_errors.EMPTY_FILE: 1}
        assert str(tmp_path / "r.csv") in str(error)

    def test_folder_without_ratings(self, tmp_path):
        write(tmp_path / "README", b"nothing")
        write(tmp_path / "users.csv", b"user_id,age\n")
        assert input_errors.NO_RATINGS_FILE in self.refused(tmp_path).counts

    def test_header_without_a_mapped_column(self, tmp_path):
        path = write(tmp_path / "r.csv", b"who,what\na,b\n")
        error = self.refused(path, {"user_id": "who", "item_id": "thing"})
        assert input_errors.HEADER_MISMATCH in error.counts
        assert "'thing'" in str(error)

    def test_header_that_says_nothing(self, tmp_path):
        error = self.refused(write(tmp_path / "r.csv", b"foo,bar,baz\na,b,1\n"))
        assert input_errors.HEADER_MISMATCH in error.counts

    def test_header_of_a_later_part(self, tmp_path):
        write(tmp_path / "a.csv", b"user,item\na,b\n")
        write(tmp_path / "b.csv", b"foo,bar\na,b\n")
        assert str(tmp_path / "b.csv") in str(self.refused(tmp_path))

    @pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
    @pytest.mark.parametrize("name", ["r.csv.gz", "r.zip", "r.parquet"])
    def test_truncated(self, tmp_path, name, keep):
        rows = b"".join(b"u%d,i%d,3,%d\n" % (i, i * i, i) for i in range(5000))
        source = write(tmp_path / "plain.csv", b"user,item,rating,time\n" + rows)
        path = tmp_path / name
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(source.read_bytes()))
        elif name.endswith(".zip"):
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.write(source, "r.csv")
        else:
            pq.write_table(pa_csv.read_csv(source), path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])
        error = self.refused(path)
        assert error.counts == {input_errors.TRUNCATED_ARCHIVE: 1}

    def test_damaged_member(self, tmp_path):
        path = tmp_path / "r.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("r.csv", b"user,item\n" + b"a,b\n" * 100)
        path.write_bytes(path.read_bytes().replace(b"a,b\na,b\n", b"a,b\na,c\n", 1))
        assert input_errors.TRUNCATED_ARCHIVE in self.refused(path).counts

    def test_a_line_without_end(self, tmp_path):
        path = write(tmp_path / "r.csv", b"user,item\n" + b"x" * (17 << 20))
        assert input_errors.UNREADABLE_FILE in self.refused(path).counts


def test_error_shows_ten_and_counts_all():
    bad = [
        input_errors.Problem("f.csv", n, "empty_id", "no id", "row")
        for n in range(1, 30)
    ]
    error = BadInputError(bad, Counter(empty_id=29), "Do this.")
    lines = str(error).splitlines()
    assert lines[0] == "29 problems in the input (29 rows with an empty id):"
    assert lines[1] == "  f.csv:1: no id: 'row'"
    assert lines[11:] == ["  ... and 19 more", "Do this."]
    assert len(error.first_problems) == 10


def test_an_error_of_a_file_has_no_code_names():
    error = input_errors.fatal(
        "f.csv", input_errors.HEADER_MISMATCH, "no ids", "Do this."
    )
    assert str(error).splitlines() == [
        "1 problem in the input:",
        "  f.csv: no ids",
        "Do this.",
    ]


def test_every_kind_of_bad_row_has_words():
    sources = Path(input_errors.__file__).parent.glob("read/*.py")
    used = {
        getattr(input_errors, name)
        for source in sources
        for name in re.findall(r"\binput_errors\.([A-Z_]+)", source.read_text())
    }
    assert input_errors.NESTED_ID in used
    of_files = {input_errors.HEADER_MISMATCH, input_errors.UNREADABLE_FILE}
    assert used - of_files <= input_errors.OF_ROWS.keys()


class TestUsers:
    """Side features come back as a person reads them."""

    EXPECTED = {
        "7": [("user_age", ["25"]), ("user_likes", ["a", "b"])],
        "é": [("user_age", []), ("user_likes", [])],
    }

    def users(self, path: Path, num_buckets: int = 3) -> dict:
        [part] = find_parts([str(path)])
        found = {}
        for _, piece in read_users(describe_users(part, Settings()), num_buckets):
            found.update(piece.users)
        return found

    def test_csv(self, tmp_path):
        text = "Age,user,user_likes\r\n25,7,a|b\r\n,é,\r\n"
        path = write(tmp_path / "people.csv", text.encode())
        assert self.users(path) == self.EXPECTED

    def test_parquet(self, tmp_path):
        ages = pa.array([25, None], pa.int64())
        likes = [["a", "b"], None]
        table = pa.table({"user_id": ["7", "é"], "age": ages, "likes": likes})
        pq.write_table(table, tmp_path / "people.parquet", row_group_size=1)
        assert self.users(tmp_path / "people.parquet") == self.EXPECTED

    def test_are_left_out_of_the_ratings(self, tmp_path):
        write(tmp_path / "r.csv", b"user,item\nu1,i1\n")
        people = write(tmp_path / "people.csv", b"user,age\nu1,3\n")
        paths = files.list_files(str(tmp_path))
        layout = recognise(paths, apart=[str(people)])
        assert [part.base_name for part in layout.ratings] == ["r.csv"]


@pytest.mark.parametrize("header", ["user_id,item_id", '"user_id","item_id"'])
def test_a_header_in_the_middle_is_a_bad_row(tmp_path, header):
    (tmp_path / "all.csv").write_text(f"{header}\nu,i\n{header}\nv,i\n")
    found = inspect_path(tmp_path / "all.csv")
    assert (found.kept, found.users) == (2, 2)
    assert found.bad_by_kind == {"repeated_header": 1}
    assert "all.csv:3: the header again" in found.first_problems[0]
