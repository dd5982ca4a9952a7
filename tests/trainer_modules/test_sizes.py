"""What the data decides: fields and their tables, by hand."""

import numpy as np
import pytest

from trainer_modules import features as f
from trainer_modules.sizes import (
    Sizes,
    Weighted,
    new_items,
    read_item_fields,
    user_fields,
    with_values,
)

ITEMS = ["c", "a", "never rated", "b", "Ünïcode"]
GENRES = [["War", "Drama"], [], ["Western"], ["Drama"], ["Drama", "1968", "War"]]
YEARS = [["1968"], ["2000"], ["1900"], [], ["1968"]]
VOCABULARY = [b"a", "Ünïcode".encode(), b"c", b"b"]  # rows 2, 3, 4 and 5


def test_a_users_fields_are_those_that_have_values():
    vocabulary = [b"user_zip=1=2", b"user_age=18", b"user_zip=x", b"user_age=", b""]
    assert user_fields(vocabulary) == ("user_age_index", "user_zip_index")
    assert user_fields([]) == ()


def test_item_fields_are_tables_of_known_items_in_the_vocabularys_order(catalogue):
    folder = catalogue(ITEMS, item_year=YEARS, item_genres=GENRES)
    tables, values = read_item_fields(folder, VOCABULARY)
    # Values by name, then by value: genres 1968, Drama, War; years 1968, 2000.
    assert tables["item_genres"].tolist() == [
        [0, 0, 0],  # padding
        [0, 0, 0],  # unknown: nothing is known of it
        [0, 0, 0],  # a
        [3, 2, 4],  # Ünïcode: Drama, 1968, War
        [4, 3, 0],  # c
        [3, 0, 0],  # b
    ]
    assert tables["item_year"].tolist() == [[0], [0], [6], [5], [5], [0]]
    assert values == [
        b"item_genres=1968",
        b"item_genres=Drama",
        b"item_genres=War",
        b"item_year=1968",
        b"item_year=2000",
    ]
    assert tables["item_year"].dtype == "int32"


def test_a_feature_may_be_left_out_and_one_without_values_is_none(catalogue):
    folder = catalogue(ITEMS, item_year=YEARS, item_genres=GENRES, item_none=[[]] * 5)
    tables, values = read_item_fields(folder, VOCABULARY, without=["item_genres"])
    assert list(tables) == ["item_year"]
    assert values == [b"item_year=1968", b"item_year=2000"]
    assert read_item_fields(catalogue(ITEMS), VOCABULARY) == ({}, [])
    assert read_item_fields(folder, [], without=["item_year"]) == ({}, [])


def test_an_item_that_the_catalogue_has_not_is_an_error(catalogue):
    with pytest.raises(KeyError, match="other"):
        read_item_fields(catalogue(ITEMS, item_year=YEARS), [b"a", b"other"])


def test_new_items_have_rows_after_the_others_and_decide_nothing(catalogue):
    folder = catalogue(
        ["new", "c", "a", "b", "Ünïcode", "blank", "other"],
        {
            "item_price": f.Kind(f.NUMERIC, 2),
            "item_cover": f.Kind(f.VECTOR, 2),
            "item_tags": f.Kind(f.WEIGHTED, 0),
        },
        item_genres=[["War", "Noir"], *GENRES[:2], *GENRES[3:], [], ["Noir"]],
        item_price=[[99.0], [1.0], [2.0], [3.0], [4.0], [], []],
        item_cover=[[100.0, 0.0], [1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]
        + [[], []],
        item_tags=[["new:2.0"], ["old:1.0"], [], [], [], [], []],
    )
    new = new_items(folder, VOCABULARY)
    assert new == [b"blank", b"new", b"other"]
    tables, values = read_item_fields(folder, VOCABULARY, new_ids=new)
    without, same_values = read_item_fields(folder, VOCABULARY)
    assert values == same_values
    assert tables.keys() == without.keys()
    # The values are those of War and of the upper bucket; Noir is one that no item of
    # the vocabulary has.
    war, upper = (
        2 + values.index(value)
        for value in (b"item_genres=War", b"item_price=bucket 1")
    )
    assert tables["item_genres"][6:].tolist() == [[0, 0, 0], [war, 1, 0], [1, 0, 0]]
    assert tables["item_price"][6:].tolist() == [[0], [upper], [0]]
    assert tables["item_cover"][6:].tolist() == [[0, 0], [100, 0], [0, 0]]
    assert tables["item_tags"].values[6:].tolist() == [[0], [1], [0]]
    kept, tables = with_values(new, tables, 6)
    assert kept == [b"new"]
    for name, field in tables.items():
        table = field.values if isinstance(field, Weighted) else field
        expected = without[name]
        expected = expected.values if isinstance(expected, Weighted) else expected
        assert len(table) == 7
        width = expected.shape[1]
        np.testing.assert_array_equal(table[:6, :width], expected, err_msg=name)


def test_without_features_no_new_item_is_listed(catalogue):
    new = new_items(catalogue(ITEMS), VOCABULARY)
    assert new == [b"never rated"]
    assert with_values(new, {}, 6) == ([], {})


def test_unlisted_items_are_those_beyond_the_rows_and_the_new_ones():
    assert Sizes(3, 6).num_unlisted(9) == 5
    assert Sizes(3, 6, num_new_items=2).num_unlisted(9) == 3
    assert Sizes(3, 6, num_new_items=7).num_unlisted(9) == 0


def test_fields_are_both_ids_and_what_is_known_of_both(catalogue):
    tables, _ = read_item_fields(catalogue(ITEMS, item_year=YEARS), VOCABULARY)
    assert Sizes(3, 6).num_fields == 2
    assert Sizes(3, 6, ("user_age_index", "user_zip_index")).num_fields == 4
    assert Sizes(3, 6, item_fields=tables, num_item_values=4).num_fields == 3


def test_each_vocabulary_has_the_rows_of_its_own_table():
    sizes = Sizes(3, 6, num_user_values=9, num_item_values=4)
    names = ("user", "item", "user_value", "item_value")
    assert [sizes.rows(name) for name in names] == [3, 6, 9, 4]
