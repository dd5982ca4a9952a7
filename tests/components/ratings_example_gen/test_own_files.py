"""Files as people really write them: read right, or refused with a way out."""

import dataclasses
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen import files
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.parts import find_parts
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.recognise.recognition import recognise
from components.ratings_example_gen.side_files.columns import describe
from components.ratings_example_gen.side_files.names import ITEMS
from components.ratings_example_gen.side_files.values import read_pieces

VIEW = {"user_id": "a", "item_id": "x", "event": "view"}
RATING = VIEW | {"rating": 4.5, "timestamp": 1600000000}


def layout_of(path, columns=None, **declared):
    return recognise(files.list_files(str(path)), columns, dialect=Dialect(**declared))


def read(path, columns=None, **declared):
    """Returns the rows (user, item, rating, time) and the kinds of the bad ones."""
    parts = layout_of(path, columns, **declared).ratings
    rows, bad = [], []
    for block in plan_blocks(parts):
        for ratings in RatingsReader().read(parts[block.part], block):
            rows += [tuple(row.values()) for row in ratings.table.to_pylist()]
            bad += [kind for _, kind, _, _ in ratings.bad]
    return rows, bad


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def write_objects(folder, name, objects):
    return write(folder, name, "".join(json.dumps(each) + "\n" for each in objects))


class TestLateKeys:
    """JSON lines whose later objects have keys that the first do not have."""

    @pytest.fixture
    def path(self, tmp_path):
        return write_objects(tmp_path, "r.jsonl", [VIEW] * 250 + [RATING] * 5)

    def test_a_known_column_is_an_error(self, path):
        with pytest.raises(BadInputError, match="'rating', a usual name of the") as got:
            read(path)
        assert "--column rating=rating" in str(got.value)

    def test_a_named_column_is_read(self, path):
        columns = {"rating": "rating", "timestamp": "timestamp"}
        rows, bad = read(path, columns)
        assert rows == [("a", "x", 4.5, 1600000000)] * 5
        assert bad == ["non_numeric_rating"] * 250

    def test_a_column_that_is_not_wanted_is_not_read(self, path):
        rows, bad = read(path, {"rating": "none", "timestamp": "none"})
        assert rows == [("a", "x", 1.0)] * 255
        assert bad == []

    def test_a_name_that_occurs_nowhere_is_refused(self, path):
        with pytest.raises(BadInputError, match="no column 'stars' for rating"):
            read(path, {"rating": "stars"})

    def test_features_are_read_from_all_objects(self, tmp_path):
        late = {"item_id": "y", "title": "Lamp", "tags": ["home"]}
        write_objects(tmp_path, "items.jsonl", [{"item_id": "x"}] * 250 + [late])
        [part] = find_parts([str(tmp_path / "items.jsonl")])
        columns = describe(part, ITEMS, {}).part.columns
        assert [name for name, _ in columns] == ["item_id", "title", "item_tags"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1e3", "1000"),
        ("1E+16", "10000000000000000"),
        ("1.5e1", "15"),
        ("1200e-2", "12"),
        ("7.0", "7"),
        ("1.5e-1", "1.5e-1"),
        ("1e999999999", "1e999999999"),
    ],
)
def test_a_whole_number_of_json_is_one_id(tmp_path, written, expected):
    path = write(tmp_path, "r.jsonl", f'{{"user_id": {written}, "item_id": 1}}\n')
    assert read(path) == ([(expected, "1", 1.0)], [])


@pytest.mark.parametrize("user", [{"id": 1}, [], ["a"]])
def test_a_nested_id_is_a_bad_row(tmp_path, user):
    row = {"user": user, "item": "x", "rating": 4}
    path = write_objects(tmp_path, "r.jsonl", [row, row | {"user": "a"}])
    assert read(path) == ([("a", "x", 4.0)], ["nested_id"])


def test_truth_values_are_no_ratings(tmp_path):
    table = pa.table({"user_id": ["a"], "item_id": ["x"], "rating": [True]})
    pq.write_table(table, tmp_path / "r.parquet")
    with pytest.raises(BadInputError, match="rating is of type bool"):
        read(tmp_path / "r.parquet")
    path = write_objects(tmp_path, "r.jsonl", table.to_pylist())
    assert read(path) == ([], ["non_numeric_rating"])
    path = write(tmp_path, "r.csv", "user_id,item_id,rating\na,x,True\n")
    assert read(path) == ([], ["non_numeric_rating"])


def test_half_of_a_character_is_a_bad_row(tmp_path):
    lone = '{"user_id": "\\ud800", "item_id": "x", "\\ud801": 1}\n'
    path = write(tmp_path, "r.jsonl", lone + '{"user_id": "a", "item_id": "x"}\n')
    assert read(path) == ([("a", "x", 1.0)], ["undecodable_bytes"])
    json.dumps(dataclasses.asdict(layout_of(path).reading), ensure_ascii=False).encode()


def test_ratings_are_not_read_where_none_is_given(tmp_path):
    path = write(tmp_path, "r.csv", "user_id,item_id,rating,ts\na,x,4,1600000000\n")
    assert read(path, {"rating": "none", "timestamp": "none"})[0] == [("a", "x", 1.0)]
    reading = layout_of(path, {"rating": "none"}).reading
    assert [
        (each.meaning, each.column, each.origin) for each in reading.columns[-1:]
    ] == [("rating", "no column", "given")]
    path = write(tmp_path, "plain.csv", "1,2,4\n5,6,3\n")
    assert read(path, {"rating": "none"})[0] == [("1", "2", 1.0), ("5", "6", 1.0)]


@pytest.mark.parametrize("name", ["quote", "escape"])
def test_a_separator_that_also_quotes_is_refused(tmp_path, name):
    path = write(tmp_path, "r.csv", "user_id,item_id\na,x\n")
    with pytest.raises(
        BadInputError, match=f"separated by ',', which is also data.{name}"
    ):
        layout_of(path, **{name: ","})


@pytest.mark.parametrize(
    ("header", "row", "rating", "time"),
    [
        ("user_id,item_id,value,created_at", "a,x,4,2020-01-01", "value", "created_at"),
        ("user_id,item_id,quantity,order_date", "a,x,2,1/2/2020", "quantity", None),
        ("User ID,Item ID,Rating (1-5)", "a,x,4", "'Rating (1-5)'", None),
        ("user_id,item_id,n,t", "a,x,2,1600000000", "n", "t"),
    ],
)
def test_columns_that_may_be_overlooked_are_named(tmp_path, header, row, rating, time):
    reading = layout_of(write(tmp_path, "r.csv", f"{header}\n{row}\n")).reading
    warnings = "\n".join(reading.warnings)
    assert "all ratings count as 1" in warnings
    assert f"--column rating={rating}. " in warnings
    assert time is None or f"--column timestamp={time}. " in warnings


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("user_id,item_id,event,order_id\na,x,view,1\n", {}),
        ("user_id,item_id,value\na,x,1\n", {"rating": "value"}),
        ("user_id,item_id,value\na,x,1\n", {"rating": "none"}),
        ("a1,x\nb2,y\n", {}),
    ],
)
def test_what_is_no_rating_is_not_asked_about(tmp_path, text, columns):
    assert layout_of(write(tmp_path, "r.csv", text), columns).reading.warnings == ()


def test_overlooked_columns_of_parquet_are_named(tmp_path):
    table = {"user_id": ["a"], "item_id": ["x"], "value": [4.0], "event": ["view"]}
    pq.write_table(pa.table(table), tmp_path / "r.parquet")
    [warning] = layout_of(tmp_path / "r.parquet").reading.warnings
    assert "--column rating=value" in warning


def test_a_setting_without_effect_is_named(tmp_path):
    path = write(tmp_path, "r.csv", "user_id,item_id\na,x\n")
    [warning] = layout_of(path, timestamp_format="%Y").reading.warnings
    assert "data.timestamp_format has no effect" in warning


@pytest.mark.parametrize(
    ("top", "delimiter"),
    [
        ("sep=;\n", ";"),
        ("sep=;\r\n\r\n", ";"),
        ("# exported 2020\n", ","),
        ("# exported 2020, by me\n#\n", ","),
        ('# by "me\n# again\n', ","),
        ("#exported\n", ","),
    ],
)
@pytest.mark.parametrize("header", [True, False])
def test_lines_above_the_table_are_skipped_and_shown(tmp_path, top, delimiter, header):
    table = "user_id,item_id,rating\n" * header + "1,x,4\n2,y,\n"
    path = write(tmp_path, "r.csv", top + table.replace(",", delimiter))
    assert read(path) == ([("1", "x", 4.0)], ["non_numeric_rating"])
    layout = layout_of(path)
    [skipped] = layout.reading.skipped
    assert repr(top.split("\n")[0].rstrip()) in skipped
    [part], [block] = layout.ratings, plan_blocks(layout.ratings)
    [ratings] = RatingsReader().read(part, block)
    last = (top + table).count("\n")
    assert [line for line, *_ in ratings.bad] == [last]


@pytest.mark.parametrize(
    ("text", "num_rows"),
    [
        ("#1,x,4\nb,y,3\n", 2),
        ("#1,x,4\n#2,y,3\n", 2),
        ("# user_id,item_id,rating\na,x,4\n", 1),
        ("#user_id,item_id,rating\na,x,4\n", 1),
    ],
)
def test_a_mark_that_begins_an_id_or_a_header_is_no_comment(tmp_path, text, num_rows):
    path = write(tmp_path, "r.csv", text)
    assert len(read(path)[0]) == num_rows
    assert layout_of(path).reading.skipped == ()


def test_without_a_header_the_usual_order_counts(tmp_path):
    path = write(tmp_path, "r.csv", "ann,lamp\nbob,vase\n")
    expected = [("ann", "lamp", 1.0), ("bob", "vase", 1.0)]
    assert read(path, header=False)[0] == expected


def test_numbers_are_a_header_or_a_rating_as_stated(tmp_path):
    path = write(tmp_path, "r.csv", "0,1,2\n5,6,3\n")
    assert read(path, header=True)[0] == [("5", "6", 3.0)]
    assert read(path, header=False)[0] == [("0", "1", 2.0), ("5", "6", 3.0)]


def test_of_two_columns_of_one_name_the_position_counts(tmp_path):
    path = write(tmp_path, "r.csv", "user_id,item_id,rating,rating\na,x,4,5\n")
    with pytest.raises(BadInputError, match="--column rating=2 "):
        read(path)
    with pytest.raises(BadInputError, match="at 2 and 3 .*--column rating=2"):
        read(path, {"rating": "rating"})
    assert read(path, {"rating": "3"}) == ([("a", "x", 5.0)], [])


def test_two_columns_of_one_name_in_parquet_are_named(tmp_path):
    names = ["user_id", "item_id", "rating", "rating"]
    table = pa.table([["a"], ["x"], [4], [5]], names=names)
    pq.write_table(table, tmp_path / "r.parquet")
    with pytest.raises(BadInputError, match="two columns 'rating'(.|\n)*Rename one"):
        read(tmp_path / "r.parquet")


def test_a_named_column_may_differ_in_case(tmp_path):
    path = write(tmp_path, "r.csv", "user_id,item_id,STARS\na,x,4\n")
    assert read(path, {"rating": "Stars"})[0] == [("a", "x", 4.0)]
    path = write(tmp_path, "r.csv", "user_id,item_id,STARS,stars\na,x,4,5\n")
    with pytest.raises(BadInputError, match="no column 'Stars'"):
        read(path, {"rating": "Stars"})


def test_lines_above_a_table_of_items_are_skipped(tmp_path):
    path = write(tmp_path, "items.csv", "sep=;\n# ours\nitem_id;title\nx;Lamp\n")
    [part] = find_parts([str(path)])
    table = describe(part, ITEMS, {})
    [piece] = read_pieces(table)
    assert (piece.ids, piece.titles) == (["x"], ["Lamp"])


def test_lines_above_a_compressed_table_in_utf_16_are_skipped(tmp_path):
    text = "sep=;\r\nuser_id;item_id;rating\r\na;x;4\r\n"
    (tmp_path / "r.csv.gz").write_bytes(gzip.compress(text.encode("utf-16")))
    assert read(tmp_path / "r.csv.gz") == ([("a", "x", 4.0)], [])


@pytest.mark.parametrize(
    ("time", "kind"), [("-1e20", "time_out_of_range"), ("-1e400", "not_finite")]
)
def test_times_outside_the_calendar_are_bad_rows(tmp_path, time, kind):
    """They once stopped the warning of implausible times with an OverflowError."""
    path = write(tmp_path, "r.csv", f"user_id,item_id,rating,time\nu,i,4,{time}\n")
    assert layout_of(path).reading.warnings == ()
    assert read(path) == ([], [kind])
