"""What is guessed of a person's own files, and what is refused as ambiguous."""

import dataclasses
import gzip
import re
import zipfile

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen import files
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.recognise.reading import Reading
from components.ratings_example_gen.recognise.reading_report import check_same
from components.ratings_example_gen.recognise.recognition import recognise


def layout_of(folder, columns=None, **declared):
    return recognise(
        files.list_files(str(folder)), columns, dialect=Dialect(**declared)
    )


def write(folder, name, text, encoding="utf-8"):
    (folder / name).write_text(text, encoding=encoding, newline="")
    return folder


def dialect_of(folder, columns=None, **declared):
    return layout_of(folder, columns, **declared).ratings[0].dialect


@pytest.mark.parametrize(
    ("name", "text", "delimiter"),
    [
        ("r.csv", "user_id,item_id\n1,a\n", ","),
        ("r.csv", "user_id;item_id;note\n1;a;x,y\n", ";"),
        ("r.csv", "1;2;3,5\n2;3;4,5\n", ";"),  # decimal commas
        ("r.csv", 'user_id,item_id\n1,"a;b"\n', ","),
        ("r.tsv", "user_id\titem_id\n1\ta,b\n", "\t"),
        ("r.txt", "user_id|item_id\n1|a\n", "|"),
        ("r.txt", "1::2::3\n2::3::4\n", "::"),
        ("r.txt", "1 7 4\n1  55 4\n", "whitespace"),
        ("r.txt", "user_id item_id\n1 7\n", "whitespace"),
        ("r.csv", "user,item\nann lee,red lamp\n", ","),
        ("r.csv", "u1,red lamp\nu2,blue lamp\n", ","),
    ],
)
def test_separators(tmp_path, name, text, delimiter):
    assert dialect_of(write(tmp_path, name, text)).delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1 2\t97\n1 4 3\t87\n", "split at tab .* or at whitespace"),
        ("1;2,5;3,5\n2;3,5;4,5\n", "split at comma .* or at semicolon"),
        ("u1,urn::t1\nu2,urn::t2\n", "split at comma .* or at ::"),
        ("1 10,5\n2 11,4\n", "split at comma into '1 10 / 5' or at whitespace"),
    ],
)
def test_two_separators_that_fit_are_refused(tmp_path, text, message):
    with pytest.raises(BadInputError, match=message) as caught:
        layout_of(write(tmp_path, "r.txt", text))
    assert "data.delimiter" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("user,user_id,item,item_id\nA,1,L,2\n", {}, (1, 3)),
        ("userId,user_id,itemid\nA,1,L\n", {}, (1, 2)),
        ("uid,movieId\n1,2\n", {}, (0, 1)),
        ("member,item\n1,2\n", {"user_id": "member"}, (0, 1)),
        ("a,b\n1,2\n", {"user_id": "1", "item_id": "a"}, (1, 0)),
        (",0,1\n0,5,7\n1,6,8\n", {"user_id": "0", "item_id": "1"}, (1, 2)),
        ("5,x,y\n6,p,q\n", {"user_id": "1", "item_id": "2"}, (1, 2)),
        (",user_id,item_id\n0,5,7\n1,6,8\n", {}, (1, 2)),
        ("Unnamed: 0,user,item\n0,5,7\n1,6,8\n", {}, (1, 2)),
    ],
)
def test_columns(tmp_path, text, columns, expected):
    [part] = layout_of(write(tmp_path, "r.csv", text), columns).ratings
    found = dict(part.columns)
    assert (found["user_id"], found["item_id"]) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "customer_id,uid,item_id\n1,2,3\n",
            "'customer_id' and 'uid' may hold",
        ),
        ("user_id,userId,userId\n1,2,3\n", "no column recognised as item_id"),
        ("0,1,2\n0,6,4\n1,5,3\n", "can be a header or a row of ratings"),
    ],
)
def test_ambiguous_headers_are_refused(tmp_path, text, message):
    with pytest.raises(BadInputError, match=message):
        layout_of(write(tmp_path, "r.csv", text))


@pytest.mark.parametrize("header", [True, False])
def test_a_declared_header_counts(tmp_path, header):
    folder = write(tmp_path, "r.csv", "0,1,2\n0,6,4\n1,5,3\n")
    columns = {"user_id": "0", "item_id": "1", "rating": "2"}
    assert dialect_of(folder, columns, header=header).header == header


@pytest.mark.parametrize(
    ("times", "unit", "written"),
    [
        (("1600285904", "0"), "s", ""),
        (("1600285904000", "1600285905000"), "ms", ""),
        (("1600285904000000",), "us", ""),
        (("1600285904000000000",), "ns", ""),
        (("1600285904", "1600285904000"), "s", ""),  # the other is out of range
        (("1600285904000", "1600285905000", "1600285904"), "ms", ""),
        (("-1", "1600285904000"), "ms", ""),
        (("2020-01-01", "2020-01-02T07:45:06+02:00"), "s", "iso8601"),
    ],
)
def test_times(tmp_path, times, unit, written):
    rows = "".join(f"1,{n},3,{time}\n" for n, time in enumerate(times))
    folder = write(tmp_path, "r.csv", f"user_id,item_id,rating,timestamp\n{rows}")
    dialect = dialect_of(folder)
    assert (dialect.timestamp_unit, dialect.timestamp_format) == (unit, written)


def test_parquet_times_are_judged_by_the_column_s_range(tmp_path):
    table = {"user_id": [1, 2], "item_id": [1, 2], "ts": [1600285904000, 1600285905000]}
    pq.write_table(pa.table(table), tmp_path / "r.parquet")
    assert dialect_of(tmp_path).timestamp_unit == "ms"


@pytest.mark.parametrize(
    ("times", "unit", "written"),
    [
        ([1600285904000, 1600285905000], "ms", ""),
        (["2020-09-16", "2020-09-17"], "s", "iso8601"),
    ],
)
def test_parquet_without_statistics_is_looked_into(tmp_path, times, unit, written):
    table = pa.table({"user_id": [1, 2], "item_id": [1, 2], "ts": times})
    pq.write_table(table, tmp_path / "r.parquet", write_statistics=False)
    dialect = dialect_of(tmp_path)
    assert (dialect.timestamp_unit, dialect.timestamp_format) == (unit, written)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("time", "advice"),
    [
        (20201110, "data.timestamp_format=%Y%m%d\\."),
        (2020111007, "data.timestamp_format=%Y%m%d%H\\."),
        (20201110074500, "data.timestamp_format=%Y%m%d%H%M%S"),
        (2000, "data.timestamp_format=%Y\\."),
        (44000.5, "write them as ISO 8601"),
        (18576, "write them as ISO 8601"),  # days since 1970
        (26750145, "write them as ISO 8601"),  # minutes since 1970
        (132498765430000000, "write them as ISO 8601"),  # of Windows since 1601
    ],
)
def test_dates_that_are_numbers_are_not_seconds(tmp_path, time, advice, ending):
    if ending == "csv":
        write(tmp_path, "r.csv", f"user_id,item_id,timestamp\n1,2,{time}\n")
    elif ending == "jsonl":
        line = f'{{"user_id": 1, "item_id": 2, "timestamp": {time}}}\n'
        write(tmp_path, "r.jsonl", line)
    else:
        table = pa.table({"user_id": [1], "item_id": [2], "timestamp": [time]})
        pq.write_table(table, tmp_path / "r.parquet")
    with pytest.raises(BadInputError, match=f"'{time}' may be dates") as caught:
        layout_of(tmp_path)
    assert re.search(advice, str(caught.value))
    assert dialect_of(tmp_path, timestamp_unit="s").timestamp_unit == "s"


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("1,10,1600000000", 2),
        ("1,10,20201110", 2),
        ("1,10,1600000000000", 2),
        ("1600000000,1,2,3", 0),
    ],
)
def test_times_in_another_place_are_refused(tmp_path, row, place):
    folder = write(tmp_path, "r.csv", f"{row}\n")
    with pytest.raises(BadInputError, match="looks like a time") as caught:
        layout_of(folder)
    assert f"--column timestamp={place}" in str(caught.value)


@pytest.mark.parametrize(
    "row", ["1,10,5", "1,10,5,1600000000", "1600000000,1,5,1600000000", "1,10,200"]
)
def test_the_usual_order_is_read(tmp_path, row):
    layout = layout_of(write(tmp_path, "r.csv", f"{row}\n"))
    assert dict(layout.ratings[0].columns)["item_id"] == 1


@pytest.mark.parametrize("name", ["ratings.csv", "mine.csv"])
def test_a_file_s_name_does_not_change_how_it_is_read(tmp_path, name):
    text = "userId,movieId,rating,timestamp\nNULL,2,3,1600000000\n"
    layout = layout_of(write(tmp_path, name, text))
    assert "NULL" in layout.ratings[0].dialect.nulls
    assert layout.reading
    assert dialect_of(tmp_path, null_values=("ann",)).nulls == ("ann",)


def test_a_setting_counts_whatever_the_file_s_name(tmp_path):
    folder = write(tmp_path, "u.data", "ann\t2\t3\t1600000000\n")
    assert dialect_of(folder, null_values=("ann",)).nulls == ("ann",)
    assert "NULL" in dialect_of(folder).nulls


@pytest.mark.parametrize(
    ("thousands", "decimal", "text"),
    [
        (".", ",", "1;2;4.5\n2;3;1.234,5\n"),
        (",", ".", "1;2;4,5\n2;3;1,234.5\n"),
        (" ", ",", "1;2;4,5\n2;3;1 234,5\n"),
    ],
)
def test_the_mark_of_thousands_is_not_the_decimal_mark(
    tmp_path, thousands, decimal, text
):
    folder = write(tmp_path, "r.csv", f"user_id;item_id;rating\n{text}")
    assert dialect_of(folder, thousands=thousands).decimal == decimal


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ("1,2,4.5,1600285904\n", "1,2,4.5,1600285904000\n", "numbers in ms.*in s"),
        ("1,2,4.5,1600285904\n", "1,2,4.5,2020-01-01\n", "iso8601.*numbers in s"),
    ],
)
def test_parts_that_are_written_differently_are_refused(tmp_path, one, other, message):
    header = "user_id,item_id,rating,timestamp\n"
    write(tmp_path, "a.csv", header + one)
    write(tmp_path, "b.csv", header + other)
    with pytest.raises(BadInputError, match=message) as caught:
        layout_of(tmp_path)
    assert "b.csv" in str(caught.value)
    assert "a.csv" in str(caught.value)


def test_what_one_part_shows_counts_for_all(tmp_path):
    write(tmp_path, "a.csv", "user_id;item_id;rating\n1;2;4\n")
    write(tmp_path, "b.csv", "user_id;item_id;rating\n1;3;4,5\n")
    assert [part.dialect.decimal for part in layout_of(tmp_path).ratings] == [",", ","]


def test_escapes_are_seen_where_quotes_would_not_close(tmp_path):
    text = 'user_id,item_id\n"1","say \\"hi\\" you"\n"2","b"\n'
    assert dialect_of(write(tmp_path, "r.csv", text)).escape == "\\"


def test_utf_16_is_known_by_its_mark(tmp_path):
    folder = write(tmp_path, "r.csv", "user_id;item_id\n1;é\n", "utf-16")
    assert dialect_of(folder).encoding == "utf-16"


def test_a_wrong_encoding_is_named(tmp_path):
    write(tmp_path, "r.csv", "user_id,item_id\n1,é\n", "latin-1")
    with pytest.raises(BadInputError, match="cannot be read as ascii") as caught:
        layout_of(tmp_path, encoding="ascii")
    assert "data.encoding" in str(caught.value)


def test_a_list_of_objects_says_how_to_convert_it(tmp_path):
    write(
        tmp_path,
        "r.json",
        '[\n{"user_id": 1}\n]\n'.replace("{", " [").replace("}", "]"),
    )
    with pytest.raises(BadInputError, match="JSON lines"):
        layout_of(tmp_path)


def reading_of(folder, columns=None, **declared):
    return layout_of(folder, columns, **declared).reading


class TestPinned:
    """Later files are compared with how the earlier ones were read."""

    HEADER = "user_id;item_id;rating;timestamp\n"

    @pytest.fixture
    def pinned(self, tmp_path):
        (tmp_path / "old").mkdir()
        write(tmp_path / "old", "r.csv", self.HEADER + "1;2;4,5;1600285904\n")
        return dataclasses.asdict(reading_of(tmp_path / "old"))

    def check(self, tmp_path, pinned, text, columns=None, **declared):
        (tmp_path / "new").mkdir()
        folder = write(tmp_path / "new", "r.csv", text)
        earlier = msgspec.convert(pinned, Reading)
        check_same(earlier, reading_of(folder, columns, **declared), str(folder))

    @pytest.mark.parametrize(
        ("text", "setting", "readings"),
        [
            ("1;2;4.5;1600285904\n", "data.decimal", "with ,.*with \\."),
            ("1;2;4,5;1600285904000\n", "data.timestamp_unit", "with s.*with ms"),
        ],
    )
    def test_another_guess_is_refused(self, tmp_path, pinned, text, setting, readings):
        with pytest.raises(BadInputError, match=f"{setting}: .*{readings}") as caught:
            self.check(tmp_path, pinned, self.HEADER + text)
        assert f"set {setting}" in str(caught.value)

    def test_another_column_is_refused(self, tmp_path, pinned):
        text = "user_id;item_id;score;timestamp\n1;2;4,5;1600285904\n"
        with pytest.raises(BadInputError, match="'rating', these .* 'score'"):
            self.check(tmp_path, pinned, text)

    def test_a_column_that_is_gone_is_refused(self, tmp_path, pinned):
        text = "user_id;item_id;timestamp\n1;2;1600285904\n"
        with pytest.raises(BadInputError, match="'rating', these .* no column"):
            self.check(tmp_path, pinned, text)

    def test_what_a_person_states_is_not(self, tmp_path, pinned):
        text = self.HEADER + "1;2;4.5;1600285904\n"
        self.check(tmp_path, pinned, text, decimal=".")

    def test_whole_numbers_show_nothing_else(self, tmp_path, pinned):
        self.check(tmp_path, pinned, self.HEADER + "1;2;4;1600285904\n")


def test_parts_whose_ratings_have_other_headers_are_refused(tmp_path):
    write(tmp_path, "a.csv", "user_id,item_id,score\nu,i,0.5\n")
    write(tmp_path, "b.csv", "user_id,item_id,rating,score\nu,i,4,0.5\n")
    with pytest.raises(BadInputError) as caught:
        layout_of(tmp_path)
    assert "column 'rating', but that of" in str(caught.value)
    assert "column 'score'" in str(caught.value)


def test_headers_that_differ_in_case_and_marks_alone_are_the_same(tmp_path):
    write(tmp_path, "a.csv", "user_id,item_id,rating\nu,i,4\n")
    write(tmp_path, "b.csv", "rating,UserId,Item ID\n4,u,i\n")
    assert len(layout_of(tmp_path).ratings) == 2


@pytest.mark.parametrize("copy", ["ratings.csv.gz", "ratings.zip"])
def test_a_file_and_its_compressed_copy_are_refused(tmp_path, copy):
    text = "user_id,item_id,rating\nu,i,4\n"
    write(tmp_path, "ratings.csv", text)
    if copy.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / copy, "w") as archive:
            archive.writestr("ratings.csv", text)
    else:
        (tmp_path / copy).write_bytes(gzip.compress(text.encode()))
    with pytest.raises(BadInputError, match="the file exists twice") as caught:
        layout_of(tmp_path)
    assert copy in str(caught.value)


class TestImplausibleTimes:
    """Numbers guessed to be seconds are shown with a warning where dates are odd."""

    @pytest.mark.parametrize(
        ("times", "date"),
        [
            ((1, 2, 3), "1970-01-01 00:00:01"),  # the order of the ratings
            ((97, 87, 1600000000), "1970-01-01 00:01:37"),
            # Seconds since 2001 (Apple's), of 2019: date -u -d @570000000
            ((570_000_000, 580_000_000), "1988-01-24 05:20:00"),
            ((40_000_000, 50_000_000), "1971-04-08 23:06:40"),
            ((-86400, -172800), "1969-12-31 00:00:00"),
        ],
    )
    def test_they_are_shown(self, tmp_path, times, date):
        rows = "".join(f"u{n},i{n},3,{time}\n" for n, time in enumerate(times))
        write(tmp_path, "r.csv", f"user_id,item_id,rating,timestamp\n{rows}")
        [warning] = reading_of(tmp_path).warnings
        assert f"'{times[0]}' are read as seconds since 1970, which is {date}" in (
            warning
        )
        assert "data.timestamp_unit=s" in warning
        assert reading_of(tmp_path, timestamp_unit="s").warnings == ()

    @pytest.mark.parametrize(
        "times",
        [
            (1600000000, 0, 0),  # 0 for none
            (0, -1, 1600000000),
            (631152000, 4102444800),  # 1990 and 2100
            ("2020-01-01", "1970-01-01"),
        ],
    )
    def test_plausible_ones_are_not(self, tmp_path, times):
        rows = "".join(f"u{n},i{n},3,{time}\n" for n, time in enumerate(times))
        write(tmp_path, "r.csv", f"user_id,item_id,rating,timestamp\n{rows}")
        assert reading_of(tmp_path).warnings == ()

    def test_in_any_part_and_in_parquet(self, tmp_path):
        for name, time in (("a", 1600000000), ("b", 40)):
            table = {"user_id": [name], "item_id": ["i"], "timestamp": [time]}
            pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
        [warning] = reading_of(tmp_path).warnings
        assert "'40'" in warning


class TestMovieLens:
    """Its files without a header are read, and shown, like any other."""

    @pytest.mark.parametrize(
        ("name", "text", "delimiter"),
        [
            ("u.data", "1\t2\t3\t881250949\n", "tab"),
            ("ratings.dat", "1::2::3::978300760\n", "::"),
        ],
    )
    def test_how_it_is_read_is_shown(self, tmp_path, name, text, delimiter):
        reading = reading_of(write(tmp_path, name, text))
        shown = {each.name: (each.value, each.origin) for each in reading.settings}
        assert shown["delimiter"] == (delimiter, "guessed")
        assert shown["encoding"] == ("utf-8", "guessed")
        assert shown["header"] == ("no", "guessed")
        assert shown["timestamp_unit"] == ("s", "guessed")
        assert [each.written for each in reading.columns][:3] == ["1", "2", "3"]

    def test_a_file_of_that_name_may_be_written_otherwise(self, tmp_path):
        layout = layout_of(write(tmp_path, "ratings.dat", "user_id;item_id\n1;2\n"))
        assert layout.name == "text separated by ';', with header"

    def test_it_is_preferred_to_other_files(self, tmp_path):
        write(tmp_path, "u.data", "1\t2\t3\t881250949\n")
        write(tmp_path, "mine.csv", "user_id,item_id\n1,2\n")
        assert [part.base_name for part in layout_of(tmp_path).ratings] == ["u.data"]


class TestSameContent:
    """Files with the same content are shown by name."""

    TEXT = "user_id,item_id,rating\nu,i,4\n"

    def warnings_of(self, folder):
        return [w for w in reading_of(folder).warnings if "same content" in w]

    @pytest.mark.parametrize("size", [1, 40_000])
    @pytest.mark.parametrize("other", ["b.csv", "b.csv.gz", "b.zip"])
    def test_two_files(self, tmp_path, size, other):
        text = self.TEXT + "".join(f"u{n},i,3\n" for n in range(size))
        write(tmp_path, "a.csv", text)
        if other.endswith("zip"):
            with zipfile.ZipFile(tmp_path / other, "w") as archive:
                archive.writestr("inside.csv", text)
        elif other.endswith("gz"):
            (tmp_path / other).write_bytes(gzip.compress(text.encode()))
        else:
            write(tmp_path, other, text)
        write(tmp_path, "z.csv", text + "v,i,4\n")
        [warning] = self.warnings_of(tmp_path)
        assert "a.csv" in warning
        assert "b." in warning
        assert "z.csv" not in warning

    def test_large_files_that_begin_alike_are_not_the_same(self, tmp_path):
        text = self.TEXT + "".join(f"u{n},i,3\n" for n in range(40_000))
        write(tmp_path, "a.csv", text + "v,i,4\n")
        write(tmp_path, "b.csv", text + "v,i,5\n")
        assert self.warnings_of(tmp_path) == []

    def test_parquet_and_json_lines(self, tmp_path):
        table = pa.table({"user_id": ["u"], "item_id": ["i"], "rating": [4]})
        line = '{"user_id": "v", "item_id": "i", "rating": 4}\n'
        for name in ("a", "b"):
            pq.write_table(table, tmp_path / f"{name}.parquet")
            write(tmp_path, f"{name}.jsonl", line)
        shown = sorted(self.warnings_of(tmp_path))
        endings = [[e for e in (".jsonl", ".parquet") if e in each] for each in shown]
        assert endings == [[".jsonl"], [".parquet"]]

    def test_many_are_counted(self, tmp_path):
        for name in range(10):
            write(tmp_path, f"{name}.csv", self.TEXT)
        [warning] = self.warnings_of(tmp_path)
        assert "(10 files)" in warning
        for name in range(10, 30):
            write(tmp_path, f"{name}.csv", self.TEXT + f"v,{name // 2},1\n")
        shown = self.warnings_of(tmp_path)
        assert len(shown) == 4
        assert shown[-1].startswith("8 more groups of files")


@pytest.mark.parametrize(
    "text",
    [
        "1,11,4,125\n1,10,950\n2,10,800\n3,10,900\n",  # the first has one too many
        "1,10,950\n1,11,4,125\n2,10,800\n3,10,900\n",
    ],
)
def test_most_rows_of_a_table_without_header_say_how_many_columns(tmp_path, text):
    [part] = layout_of(write(tmp_path, "r.csv", text)).ratings
    assert part.num_fields == 3
    assert "timestamp" not in dict(part.columns)
