"""The words of ``marquee data``."""

import io

import pytest

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.inspection import inspect_path
from components.ratings_example_gen.settings import Settings
from pipeline.views.terminal import open_console
from pipeline.views.terminal.input_data import SettingsInUse, print_data


@pytest.fixture
def words(tmp_path):
    """Prints what is found in a file of some text, and returns its words."""

    def print_words(text, **declared):
        path = tmp_path / "ratings.csv"
        path.write_text(text)
        output = io.StringIO()
        settings = Settings(dialect=Dialect(**declared))
        print_data(open_console(output), inspect_path(path, settings))
        return " ".join(output.getvalue().split())

    return print_words


def test_one_of_each_is_singular(words):
    shown = words("user_id,item_id,rating\nu,i,4\nu,i,4\nv,i,oops\n")
    assert "1 time a user rated an item again" in shown
    assert "Counts 1 user, 1 item " in shown
    assert "1 bad row: 1 with a rating that is not a number" in shown


def test_ratings_are_as_short_as_they_were_written(words):
    shown = words("user_id,item_id,rating\nu,i,1.1\nv,i,4.7\n")
    assert "Ratings 1.1 to 4.7" in shown


def test_unused_columns_are_quoted(words):
    shown = words("user_id,item_id,,a note\nu,i,,x\nv,i,,y\n")
    assert "Unused (no name), 'a note'" in shown


def test_a_blank_setting_is_named(words):
    shown = words("user_id,item_id,rating\nu,i,1 000\n", thousands=" ")
    assert "data.thousands: blank (given)" in shown


@pytest.mark.parametrize("context", [None, "hour in UTC"])
def test_settings_in_use_are_shown(tmp_path, context):
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,item_id\nu,i\n")
    output = io.StringIO()
    in_use = SettingsInUse("never again", context, ["mind this"])
    print_data(open_console(output), inspect_path(path), in_use=in_use)
    shown = " ".join(output.getvalue().split())
    assert "Lists never again" in shown
    assert ("Context hour in UTC" in shown) == (context is not None)
    assert "Warning mind this" in shown


def test_keys_that_come_late_are_shown_with_their_rows(tmp_path):
    line = '{"user_id": "u", "item_id": "i%d", "rating": 3}\n'
    late = '{"user_id": "u", "item_id": "j", "rating": 3, "mood": 1}\n'
    path = tmp_path / "r.jsonl"
    path.write_text("".join(line % number for number in range(300)) + late)
    found = inspect_path(path)
    assert found.late_keys == {"mood": 1}
    output = io.StringIO()
    print_data(open_console(output), found)
    shown = " ".join(output.getvalue().split())
    assert "Late keys 'mood' (in 1 row) first occurred below the lines" in shown
