"""What the data decides: fields and their tables, by hand."""

import pytest

from trainer_modules.sizes import Sizes, read_item_fields, user_fields

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


def test_fields_are_both_ids_and_what_is_known_of_both(catalogue):
    tables, _ = read_item_fields(catalogue(ITEMS, item_year=YEARS), VOCABULARY)
    assert Sizes(3, 6).num_fields == 2
    assert Sizes(3, 6, ("user_age_index", "user_zip_index")).num_fields == 4
    assert Sizes(3, 6, item_fields=tables, num_item_values=4).num_fields == 3


def test_each_vocabulary_has_the_rows_of_its_own_table():
    sizes = Sizes(3, 6, num_user_values=9, num_item_values=4)
    names = ("user", "item", "user_value", "item_value")
    assert [sizes.rows(name) for name in names] == [3, 6, 9, 4]
