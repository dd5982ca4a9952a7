"""What the values of a file of items or users say, against what a person reads."""

import dataclasses
import datetime
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ratings_example_gen import BadInputError, input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.parts import find_parts
from components.ratings_example_gen.side_files.columns import describe
from components.ratings_example_gen.side_files.names import ITEMS
from components.ratings_example_gen.side_files.values import read_pieces, split_values
from trainer_modules.features import NUMERIC, TIME, WEIGHTED, Kind


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("red", ["red"]),
        ("a|b", ["a", "b"]),
        ('["home", "light"]', ["home", "light"]),
        ("['home', 'light']", ["home", "light"]),
        ("""["it's", 'a "b"']""", ["it's", 'a "b"']),
        ("[1, 2.50]", ["1", "2.50"]),
        ('["a", null]', ["a", ""]),
        ("[]", []),
        ('["a|b", "c"]', ["a|b", "c"]),
        # What only looks like a list.
        ("[REC]", ["[REC]"]),
        ("[a, b]", ["[a, b]"]),
        ('[{"id": 1}]', ['[{"id": 1}]']),
        ('[["a"]]', ['[["a"]]']),
        ("[__import__('os')]", ["[__import__('os')]"]),
        ("[" * 9000 + "]" * 9000, ["[" * 9000 + "]" * 9000]),
        ("the red one", ["the red one"]),
    ],
)
def test_several_values(text, values):
    assert split_values(text) == values


def test_recbole_separates_by_blanks():
    assert split_values("Animation  Comedy", by_blank=True) == ["Animation", "Comedy"]


@pytest.fixture
def read(tmp_path):
    """Reads a file of items, a text or a table."""

    def rows(content):
        path = tmp_path / ("items.csv" if isinstance(content, str) else "items.parquet")
        if isinstance(content, str):
            path.write_text(content)
        else:
            pq.write_table(content, path, row_group_size=1)
        [part] = find_parts([str(path)])
        return list(read_pieces(describe(part, ITEMS, {})))

    return rows


@pytest.mark.parametrize("text", ["", " ", "NaN", "None", "NULL", "null", r"\N", "NA"])
def test_placeholders_are_missing_values(read, text):
    [piece] = read(f"item_id,title,brand,tags\n1,{text},{text},a|{text}\n")
    assert piece.titles == [None]
    assert piece.features == {"item_brand": [[]], "item_tags": [["a"]]}


def test_entities_are_decoded_and_counted(read):
    [piece] = read(
        "item_id,title,tags\n"
        "1,Tom &amp; Jerry&#39;s,R&amp;B|Rock\n"
        "2,AT&T &copy without end,&notanentity;\n"
        "a&amp;b,plain,plain\n"
    )
    assert piece.ids == ["1", "2", "a&amp;b"]  # ids are compared with the ratings'
    assert piece.titles == ["Tom & Jerry's", "AT&T &copy without end", "plain"]
    assert piece.features["item_tags"] == [
        ["R&B", "Rock"],
        ["&notanentity;"],
        ["plain"],
    ]
    assert piece.num_decoded == 2


def test_lists_of_parquet(read):
    tags = [["home, sweet", "a|b"], None, [], [None, "x"]]
    sizes = pa.array([[1, 2], None, [25], []], pa.list_(pa.int64()))
    pieces = read(pa.table({"id": [1, 2, 3, 4], "tags": tags, "sizes": sizes}))
    found = [piece.features["item_tags"][0] for piece in pieces]
    assert found == [["home, sweet", "a|b"], [], [], ["x"]]
    sizes = [piece.features["item_sizes"][0] for piece in pieces]
    assert sizes == [["1", "2"], [], ["25"], []]


def test_a_bad_text_in_a_list_is_named_by_its_row(read):
    tags = pa.array([[b"a"], [b"b", b"\xff"]], pa.list_(pa.binary()))
    with pytest.raises(BadInputError) as caught:
        read(pa.table({"item_id": ["1", "2"], "tags": tags}))
    assert caught.value.counts == {input_errors.UNDECODABLE_BYTES: 1}


def prices(part, kinds=("item_price",), kind=NUMERIC, **dialect):
    table = describe(part, ITEMS, {}, Dialect(**dialect))
    numeric = {name: Kind(kind, 10) for name in kinds}
    [piece] = read_pieces(dataclasses.replace(table, kinds=numeric))
    return piece.features["item_price"]


@pytest.fixture
def csv_part(tmp_path):
    """Writes a file of items with a price each; returns its part."""

    def written(*texts):
        path = tmp_path / "items.csv"
        rows = [f"i{row};{text}" for row, text in enumerate(texts)]
        path.write_text("\n".join(["item_id;price", *rows]) + "\n")
        return find_parts([str(path)])[0]

    return written


def test_declared_numbers_are_read_with_the_marks_of_the_text(csv_part):
    texts = ("1.5", " -2 ", "", "NaN", "3e2")
    assert prices(csv_part(*texts)) == [[1.5], [-2.0], [], [], [300.0]]
    marks = {"decimal": ",", "thousands": "."}
    part = csv_part("1,5", "1.234,25", "7")
    assert prices(part, **marks) == [[1.5], [1234.25], [7.0]]


def test_numbers_that_are_not_declared_stay_as_they_are_written(csv_part):
    assert prices(csv_part("1.50", "2"), kinds=["item_other"]) == [["1.50"], ["2"]]


@pytest.mark.parametrize("text", ["free", "1,5", "1|2", "inf", "1e39", "0x10"])
def test_a_declared_number_that_is_none_is_named(csv_part, text):
    with pytest.raises(BadInputError, match=r"items.csv: item_price of 'i1'") as found:
        prices(csv_part("1", text, "2", text))
    assert found.value.counts == {input_errors.NON_NUMERIC_FEATURE: 2}
    assert "type: BYTES" in found.value.advice


def test_numbers_of_parquet_need_no_marks(tmp_path):
    path = tmp_path / "items.parquet"
    columns = {"item_id": [1, 2, 3, 4], "price": [1.5, None, math.nan, 2e10]}
    pq.write_table(pa.table(columns), path)
    [part] = find_parts([str(path)])
    assert prices(part, decimal=",") == [[1.5], [], [], [2e10]]


def test_declared_times_are_days_since_1970(csv_part):
    texts = ("1970-01-02", "1970-01-01T06:00:00Z", "1970-01-03 01:00:00+01:00", "")
    part = csv_part(*texts, "864000000", "-864000000", "1969-12-31")
    days = [[1.0], [0.25], [2.0], [], [10_000.0], [-10_000.0], [-1.0]]
    assert prices(part, kind=TIME) == days
    # A time without an offset is in the zone of the data.
    part = csv_part("1970-01-01 12:00:00", "1970-01-01T12:00:00Z")
    assert prices(part, kind=TIME, timezone="America/New_York") == [[17 / 24], [0.5]]


def test_times_of_parquet_are_days_since_1970(tmp_path):
    path = tmp_path / "items.parquet"
    noon = datetime.datetime(1970, 1, 2, 12)
    columns = {"item_id": [1, 2], "price": pa.array([noon, None], pa.timestamp("us"))}
    pq.write_table(pa.table(columns), path)
    [part] = find_parts([str(path)])
    assert prices(part, kind=TIME) == [[1.5], []]
    dates = pa.array([datetime.date(1970, 1, 5), None], pa.date32())
    pq.write_table(pa.table({"item_id": [1, 2], "price": dates}), path)
    assert prices(part, kind=TIME) == [[4.0], []]


@pytest.mark.parametrize(
    "text", ["20201110", "2020", "18576", "10.11.2020", "2020-02-30", "1600000000000"]
)
def test_a_declared_time_that_is_none_is_named(csv_part, text):
    with pytest.raises(BadInputError, match="item_price of 'i0' is .*, not one time"):
        prices(csv_part(text), kind=TIME)


def weights(part, **dialect):
    table = describe(part, ITEMS, {}, Dialect(**dialect))
    kinds = {"item_price": Kind(WEIGHTED, 0)}
    [piece] = read_pieces(dataclasses.replace(table, kinds=kinds))
    return piece.features["item_price"]


def test_weights_are_written_without_the_marks_of_the_text(csv_part):
    part = csv_part("a:0.5|b c : 2", "", "x:y:1e-9")
    assert weights(part) == [["a:0.5", "b c:2.0"], [], ["x:y:1e-09"]]
    part = csv_part("a:0,5|b:1.234,5")
    assert weights(part, decimal=",", thousands=".") == [["a:0.5", "b:1234.5"]]


@pytest.mark.parametrize("text", ["a", "a:", ":1", "a:-1", "a:b", "a:nan", "a:1e39"])
def test_a_weight_that_is_none_is_named(csv_part, text):
    with pytest.raises(
        BadInputError, match=f"item_price of 'i1' has '{text}'"
    ) as found:
        weights(csv_part("a:1", f"b:2|{text}", f"{text}|b:0"))
    assert found.value.counts == {input_errors.NON_NUMERIC_FEATURE: 2}
    assert "Drama:0.2" in found.value.advice
