"""Files of rules, and what is wrong with them by line."""

import pytest

from pipeline.config.errors import ConfigError
from pipeline.config.list_rules_file import read_rules
from pipeline.config.load import load_config
from pipeline.stages.train_and_push import trainer_config
from trainer_modules.configs.list_rules import Boost, Diversity, Feed, Limit, Rules
from trainer_modules.trainer_settings import TrainerSettings

RULES = """\
deny: [1, 007]
deny_values: {genres: [Horror, 1999]}
limits:
  - {field: genres, at_most: 3}
  - field: provider
    at_most: 2
diversity: {field: genres, lambda: 0.5}
boosts: [{field: genres, value: 12, places: 2}]
feed: {path: feed.csv}
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "rules.yaml").write_text(text)
        return tmp_path / "rules.yaml"

    return write


def test_ids_and_values_are_text_whatever_they_look_like(write):
    assert read_rules(write(RULES)) == Rules(
        deny=["1", "007"],
        deny_values={"genres": ["Horror", "1999"]},
        limits=[Limit("genres", 3), Limit("provider", 2)],
        diversity=Diversity("genres", 0.5),
        boosts=[Boost("genres", "12", 2)],
        feed=Feed("feed.csv"),
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("    at_most: 2", "    at_mosts: 2", 6, "no 'at_mosts'; did you mean"),
        ("    at_most: 2\n", "", 5, "limits.1: at_most is missing"),
        ("lambda: 0.5", "lambda: 2", 7, "expected a number from 0 to 1, got 2"),
        ("places: 2", "places: x", 8, "boosts.0.places: expected a whole number"),
        ("[1, 007]", "{a: 1}", 1, "deny: expected a list"),
        ("[Horror, 1999]", "Horror", 2, "deny_values.genres: expected a list"),
        ("limits:", "limit:", 3, "no 'limit'; did you mean 'limits'"),
        ("{path: feed.csv}", "{file: feed.csv}", 9, "feed has no 'file'"),
        ("{path: feed.csv}", "{}", 9, "feed: path is missing"),
        ("deny: [1", "pool: 5\ndeny: [1", 5, "limits.0.in_first: 10 places"),
        ("at_most: 3}", "at_most: 3", 5, "not YAML"),
        ("{field: genres, at_most: 3}", "5", 4, "limits.0: expected the keys field"),
        ("boosts: [{", "boosts: {a: {", 8, "not YAML"),
        ("boosts: [{", "boosts: 5 # [{", 8, "expected a list, each with the keys"),
        ("{path: feed.csv}", "feed.csv", 9, "feed: expected the keys path, stale"),
        ("{path: feed.csv}", "[a]", 9, "feed: expected the keys path, stale_after"),
        ("deny: [1", "minimum_age: {}\ndeny: [1", 1, "age: item_field is missing"),
        (
            "feed: {path: feed.csv}",
            "minimum_age: {item_field: a, unknown_user: -1}",
            9,
            "minimum_age.unknown_user: expected a number .*, got -1",
        ),
        (
            "feed: {path: feed.csv}",
            "minimum_age: {item_field: a, item_field_in: feed}",
            9,
            "minimum_age.item_field_in: the rules have no feed",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(write, old, new, line, problem):
    path = write(RULES.replace(old, new))
    with pytest.raises(ConfigError, match=problem) as caught:
        read_rules(path)
    assert (caught.value.file, caught.value.line) == (path, line)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=problem):  # before anything is started
        load_config(None, [f"lists.rules={path}"])


def test_a_missing_file_is_an_error_of_the_setting():
    with pytest.raises(ConfigError, match="--set lists.rules: none.yaml is not a file"):
        load_config(None, ["lists.rules=none.yaml"])


def test_a_trainer_is_given_the_content_and_not_the_path(write, tmp_path):
    def settings(path):
        config = load_config(None, [] if path is None else [f"lists.rules={path}"])
        return trainer_config("popularity", config)

    given = settings(write(RULES))
    (tmp_path / "other.yaml").write_text(RULES.replace("\n", "  # why\n", 1))
    assert settings(tmp_path / "other.yaml") == given
    (tmp_path / "other.yaml").write_text(RULES.replace("at_most: 2", "at_most: 1"))
    assert settings(tmp_path / "other.yaml")["recipe"] != given["recipe"]
    assert "rules" not in settings(None)
    numbers = ("num_items", "num_rated_items", "num_items_before_test")
    of_catalogue = {"catalogue": "c", **dict.fromkeys(numbers, 1)}
    parsed = TrainerSettings.parse(given | of_catalogue)
    assert parsed.rules == read_rules(write(RULES))
