"""Vectors in files of items and users, against what was written into them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.catalogue_gen.reader import describe_items, read_items
from components.ratings_example_gen import BadInputError, input_errors
from components.ratings_example_gen.parts import find_parts
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.side_files.summary import summarise_side
from components.ratings_example_gen.side_files.users import describe_users, read_users
from trainer_modules.features import NUMERIC, VECTOR, Kind

COVERS = [[0.5, -2.0], None, [1e-3, 4.0], []]
DECLARED = Settings(kinds={"item_cover": Kind(VECTOR, 2)})
UNDECLARED = Settings()
FLOATS = [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.float32())]


@pytest.fixture
def part(tmp_path):
    """Writes a file of items or users; returns its part."""

    def written(content, name="items"):
        is_text = isinstance(content, str)
        path = tmp_path / f"{name}.{'csv' if is_text else 'parquet'}"
        if is_text:
            path.write_text(content)
        else:
            pq.write_table(content, path)
        return find_parts([str(path)])[0]

    return written


def parquet(covers, kind):
    ids = [f"i{n}" for n in range(len(covers))]
    return pa.table({"item_id": ids, "cover": pa.array(covers, kind)})


def read(part, settings=DECLARED):
    return read_items(describe_items(part, settings)).table


@pytest.mark.parametrize("kind", FLOATS, ids=str)
def test_lists_of_parquet_are_vectors(part, kind):
    table = read(part(parquet(COVERS, kind)))
    found = table["item_cover"].to_pylist()
    assert found == [[0.5, -2.0], [], [np.float32(1e-3), 4.0], []]
    kind = Kind.of_texts(table.schema.field("item_cover").metadata)
    assert kind == Kind(VECTOR, 2)


def test_lists_of_a_fixed_size_are_vectors(part):
    covers = [[0.5, -2.0], [3.0, 4.0]]  # Arrow cannot write one that is missing
    for numbers in (pa.float32(), pa.float64()):
        table = read(part(parquet(covers, pa.list_(numbers, 2))))
        assert table["item_cover"].to_pylist() == covers


def test_lists_of_a_fixed_number_of_texts_are_not_read(part):
    pairs = parquet([["a", "b"]], pa.list_(pa.string(), 2))
    table = describe_items(part(pairs), UNDECLARED)
    assert table.unread == {"cover": "its type is fixed_size_list<item: string>[2]"}


def test_lists_of_whole_numbers_and_of_text_are_vectors_if_declared(part):
    whole = part(parquet([[1, -2], [3, 4]], pa.list_(pa.int64())))
    assert read(whole)["item_cover"].to_pylist() == [[1, -2], [3, 4]]
    text = part('item_id,cover\na,"[0.5, -2e1]"\nb,1|2.5\nc,\n')
    assert read(text)["item_cover"].to_pylist() == [[0.5, -20], [1, 2.5], []]


@pytest.mark.parametrize(
    ("cover", "fault"),
    [
        ([1.0], "has 1 number, not 2"),
        ([1.0, 2.0, 3.0], "has 3 numbers, not 2"),
        ([1.0, None], "has a value that is not a finite number"),
        ([float("nan"), 1.0], "has a value that is not a finite number"),
        ([float("inf"), 1.0], "has a value that is not a finite number"),
        ([1e39, 1.0], "has a value that is not a finite number"),
    ],
)
def test_a_vector_that_cannot_be_used_is_named(part, cover, fault):
    covers = [[1.0, 2.0], cover, [3.0, 4.0], cover]
    with pytest.raises(BadInputError, match=f"item_cover of 'i1' {fault}") as found:
        read(part(parquet(covers, pa.list_(pa.float64()))))
    assert found.value.counts == {input_errors.NON_NUMERIC_FEATURE: 2}
    assert "value_count" in found.value.advice


def test_words_in_a_vector_are_named(part):
    with pytest.raises(BadInputError, match="'a' has a value that is not a finite"):
        read(part("item_id,cover\na,1|red\n"))


@pytest.mark.parametrize("kinds", [{}, {"item_cover": Kind(NUMERIC, 10)}])
def test_vectors_that_are_not_declared_are_not_read(part, kinds):
    columns = parquet(COVERS, FLOATS[0]).append_column("colour", [["red"] * 4])
    described = describe_items(part(columns), Settings(kinds=kinds))
    assert described.unread == {"cover": "a vector that the schema does not declare"}
    assert described.features == ["item_colour"]
    assert read_items(described).table.column_names == [
        "item_id",
        "title",
        "item_colour",
    ]


def test_vectors_of_users_are_arrays_and_missing_ones_absent(part):
    users = pa.table({"user_id": ["a", "b"], "taste": pa.array([[1.5, 2], None])})
    settings = Settings(kinds={"user_taste": Kind(VECTOR, 2)})
    table = describe_users(part(users, "users"), settings)
    [(_, piece)] = read_users(table, num_buckets=1)
    assert piece.users["b"] == []
    [(name, vector)] = piece.users["a"]
    assert (name, vector.tolist(), vector.dtype) == ("user_taste", [1.5, 2], np.float32)


def summary(part, settings=UNDECLARED):
    [cover] = summarise_side(describe_items(part, settings), set()).features
    return cover


@pytest.mark.parametrize("settings", [UNDECLARED, DECLARED])
def test_a_summary_has_the_length_and_counts_zeros_as_missing(part, settings):
    covers = [[0.5, -2.0], None, [0.0, 0.0], [1.0, 2.0]]
    cover = summary(part(parquet(covers, FLOATS[0])), settings)
    assert (cover.kind, cover.length, cover.missing) == (VECTOR, 2, 2)
    assert (cover.example, cover.distinct) == (["0.5", "-2"], 2)
    evidence = "each row has 2 numbers"
    assert cover.evidence == (None if settings.kinds else evidence)
    assert cover.oddity is None


@pytest.mark.parametrize(
    ("covers", "oddity"),
    [
        ([[1.5, 2.0]] * 3, "every row has the same vector"),
        ([[1.5, 2.0]] * 999 + [[2.0, 1.0]], "99.9% of the rows have the same vector"),
        ([[0.0, 0.0]] * 999 + [[2.0, 1.0]], "missing in 99.9% of the rows"),
        ([[0.0, 0.0], None], "no row has a value"),
        (
            [[1.0], [1.0, 2.0, 3.0]],
            "lists of 1 to 3 numbers, which are not vectors of one length",
        ),
    ],
)
def test_columns_of_little_use(part, covers, oddity):
    assert summary(part(parquet(covers, FLOATS[0]))).oddity == oddity


def test_lists_of_text_with_equally_many_numbers_are_proposed_as_vectors(part):
    rows = "".join(f'i{n},"[{n}.5, 1]"\n' for n in range(30))
    cover = summary(part(f"item_id,cover\n{rows}i30,\n"))
    assert (cover.kind, cover.length) == (VECTOR, 2)
    assert cover.evidence == "each row has 2 numbers"
    for other in ("i31,7.5\n", "i31,1|2|3\n"):
        assert summary(part(f"item_id,cover\n{rows}{other}")).kind == "category"
    whole = "".join(f"i{n},{n}|1\n" for n in range(30))
    assert summary(part(f"item_id,cover\n{whole}")).kind == "category"
