"""Items files against what a person reads in them."""

import csv
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.catalogue_gen import catalogue
from components.catalogue_gen.reader import (
    describe_items,
    items_fingerprint,
    read_items,
)
from components.ratings_example_gen import BadInputError, Settings, input_errors
from components.ratings_example_gen.parts import find_parts
from components.ratings_example_gen.side_files.find import find_side_files

GENRES = b"unknown|0\nAction|1\nComedy|2\n\n"
U_ITEM = (
    "1|Toy Story (1995)|01-Jan-1995||http://x|0|1|1\n"
    "2|Misérables, Les (1995)|01-Jan-1995||http://y|0|0|1\n"
    "267|unknown||||1|0|0\n"
).encode("latin-1")


def items_of(path: str, columns=None) -> pa.Table:
    """Finds a file of items as ``data.items`` does, and reads it."""
    part = find_side_files([], (), Settings(items=path)).items
    return read_items(describe_items(part, Settings(item_columns=columns or {}))).table


def rows(table: pa.Table) -> dict[str, tuple]:
    return {
        row["item_id"]: (row["title"], row["item_genres"], row["item_year"])
        for row in table.to_pylist()
    }


EXPECTED_100K = {
    "1": ("Toy Story (1995)", ["Action", "Comedy"], ["1995"]),
    "2": ("Misérables, Les (1995)", ["Comedy"], ["1995"]),
    "267": ("unknown", [], []),
}


class TestMovieLens:
    @pytest.mark.parametrize("name", ["", "u.item"])
    def test_100k_flags_get_their_names(self, tmp_path, name):
        (tmp_path / "u.item").write_bytes(U_ITEM)
        (tmp_path / "u.genre").write_bytes(GENRES)
        assert rows(items_of(str(tmp_path / name))) == EXPECTED_100K

    def test_100k_in_its_archive(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
            archive.writestr("ml-100k/u.genre", GENRES)
            archive.writestr("ml-100k/u.item", U_ITEM)
        assert rows(items_of(str(tmp_path / "ml.zip"))) == EXPECTED_100K

    def test_100k_without_names_of_genres(self, tmp_path):
        (tmp_path / "u.item").write_bytes(U_ITEM)
        with pytest.raises(BadInputError, match=r"u\.genre"):
            items_of(str(tmp_path / "u.item"))

    def test_1m(self, tmp_path):
        text = "1::Café (1997)::Drama|Crime\n2::No year::(no genres listed)\n"
        (tmp_path / "movies.dat").write_bytes(text.encode("latin-1"))
        assert rows(items_of(str(tmp_path))) == {
            "1": ("Café (1997)", ["Drama", "Crime"], ["1997"]),
            "2": ("No year", [], []),
        }

    def test_20m(self, tmp_path):
        with (tmp_path / "movies.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["movieId", "title", "genres"])
            writer.writerow(["9", 'Say "hi", (2001)', "Action"])
            writer.writerow(["10", "Series (2006–2007) ", "(no genres listed)"])
        assert rows(items_of(str(tmp_path))) == {
            "9": ('Say "hi", (2001)', ["Action"], ["2001"]),
            "10": ("Series (2006–2007)", [], ["2006"]),
        }

    def test_real_100k_and_1m(self, movielens_dir):
        hundred = items_of(str(movielens_dir / "ml-100k"))
        million = items_of(str(movielens_dir / "ml-1m"))
        assert (hundred.num_rows, million.num_rows) == (1682, 3883)
        genres = {g for row in million["item_genres"].to_pylist() for g in row}
        assert len(genres) == 18  # README of ml-1m lists them.


class TestOwn:
    def test_every_column_is_a_feature(self, tmp_path):
        path = tmp_path / "things.csv"
        path.write_text("item_id,Name,Main Colour,item_tags\n7,Cup,red,a|b\n8,,,\n")
        table = items_of(str(path))
        assert table.to_pylist() == [
            {
                "item_id": "7",
                "title": "Cup",
                "item_main_colour": ["red"],
                "item_tags": ["a", "b"],
            },
            {"item_id": "8", "title": None, "item_main_colour": [], "item_tags": []},
        ]

    def test_parquet_with_lists(self, tmp_path):
        path = tmp_path / "items.parquet"
        source = {"id": [1, 2], "tags": [["a", "b"], None], "price": [1.5, 2.0]}
        pq.write_table(pa.table(source), path)
        assert items_of(str(path)).to_pylist() == [
            {
                "item_id": "1",
                "title": None,
                "item_tags": ["a", "b"],
                "item_price": ["1.5"],
            },
            {"item_id": "2", "title": None, "item_tags": [], "item_price": ["2"]},
        ]

    def test_the_later_of_two_rows_counts(self, tmp_path):
        path = tmp_path / "items.csv"
        path.write_text("item_id,title\n1,old\n2,other\n1,new\n")
        titles = items_of(str(path)).to_pylist()
        assert {row["item_id"]: row["title"] for row in titles} == {
            "1": "new",
            "2": "other",
        }

    @pytest.mark.parametrize(
        ("data", "line", "kind"),
        [
            (b"item_id,title\n1,a\n2\n", 3, input_errors.WRONG_NUMBER_OF_FIELDS),
            (b'item_id,title\n1,"a\n2,b\n', 2, input_errors.UNCLOSED_QUOTE),
            (b"item_id,title\n,a\n", 2, input_errors.EMPTY_ID),
            (b"item_id,title\n1,a\n2,\xff\n", 3, input_errors.UNDECODABLE_BYTES),
        ],
    )
    def test_bad_rows_are_named(self, tmp_path, data, line, kind):
        path = tmp_path / "items.csv"
        path.write_bytes(data)
        with pytest.raises(BadInputError) as caught:
            items_of(str(path))
        assert caught.value.counts == {kind: 1}
        assert f"{path}:{line}: " in str(caught.value)

    def test_no_id_column(self, tmp_path):
        path = tmp_path / "items.csv"
        path.write_text("name,colour\nCup,red\n")
        with pytest.raises(BadInputError, match="item_id"):
            items_of(str(path))


class TestJoin:
    ITEMS = pa.table(
        {
            "item_id": ["b", "a"],
            "title": ["B", "A"],
            "item_genres": pa.array([["x"], []], pa.list_(pa.string())),
        }
    )

    def test_keeps_rated_items_that_are_unknown_and_known_ones_not_rated(self):
        table, counts = catalogue.join(self.ITEMS, {"b", "c", "0"})
        assert table.to_pylist() == [
            {"item_id": "0", "title": None, "item_genres": []},
            {"item_id": "a", "title": "A", "item_genres": []},
            {"item_id": "b", "title": "B", "item_genres": ["x"]},
            {"item_id": "c", "title": None, "item_genres": []},
        ]
        assert counts == catalogue.Counts(
            items=4,
            items_without_features=2,
            items_never_rated=1,
            first_without=("0", "c"),
        )

    def test_nothing_unknown(self):
        table, counts = catalogue.join(self.ITEMS, {"a", "b"})
        assert table["item_id"].to_pylist() == ["a", "b"]
        assert counts == catalogue.Counts(2, 0, 0)


def test_fingerprint_follows_the_files_that_are_read(tmp_path):
    (tmp_path / "u.item").write_bytes(U_ITEM)
    (tmp_path / "u.genre").write_bytes(GENRES)
    [part] = find_parts([str(tmp_path / "u.item")])
    first = items_fingerprint(part)
    (tmp_path / "u.data").write_bytes(b"1\t1\t1\t1\n")
    assert items_fingerprint(part) == first
    (tmp_path / "u.genre").write_bytes(GENRES + b"New|3\n")
    assert items_fingerprint(part) != first
    assert items_fingerprint(None) == ""
