"""The minimum age of items and the ages of users, from files, feeds and requests."""

import msgspec
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.list_rules import MinimumAge, Rules
from trainer_modules.list_rules import ListRules
from trainer_modules.minimum_age import check_ages_of_users

TEXTS = [["6"], ["12", "16"], [], ["18"]]
NUMERIC = {b"name": b"numeric", b"size": b"10"}


def built(fsk=TEXTS, kind=None, **rule):
    rules = {"minimum_age": {"item_field": "fsk", **rule}, "feed": {"path": "x"}}
    ids = [str(n) for n in range(len(TEXTS))]
    of_items = pa.list_(pa.float64() if kind else pa.string())
    columns = [
        pa.field("item_id", pa.string()),
        pa.field("item_fsk", of_items, True, kind),
    ]
    catalogue = pa.table({"item_id": ids, "item_fsk": fsk}, pa.schema(columns))
    return ListRules(
        msgspec.convert(rules, Rules), [i.encode() for i in ids], catalogue
    )


def listed(made, age):
    ages = None if age is None else tf.constant([age], tf.float32)
    return set(np.flatnonzero(made.listed_for(ages)[0]))


@pytest.mark.parametrize(
    ("rule", "age", "items"),
    [
        ({}, None, {2}),
        ({}, 6, {0, 2}),
        ({}, 15.9, {0, 2}),
        ({}, 16, {0, 1, 2}),  # of two minimum ages, the higher one counts
        ({}, 18, {0, 1, 2, 3}),
        ({"unknown_user": 12}, None, {0, 2}),
        ({"unknown_item": 18}, 16, {0, 1}),
        ({"unknown_item": 18}, None, set()),
    ],
)
def test_items_are_listed_from_their_minimum_age_on(rule, age, items):
    assert listed(built(**rule), age) == items


def test_minimum_ages_may_be_numbers():
    made = built([[6.0], [16.5], [], [18.0]], NUMERIC)
    assert listed(made, 16) == {0, 2}
    assert listed(made, 16.5) == {0, 1, 2}


def test_a_feed_replaces_minimum_ages_until_the_next_one():
    made = built()
    rows, available = tf.constant([2, 3, 1, -1], tf.int64), tf.fill([4], True)
    texts = tf.constant([["18", ""], ["6", "12"], ["", ""], ["99", ""]])
    made.update(rows, available, {"fsk": texts})
    assert listed(made, 12) == {0, 3}
    assert listed(made, 16) == {0, 1, 3}
    made.update(rows[:0], available[:0], {"fsk": texts[:0]})
    assert listed(made, 12) == {0, 2}


@pytest.mark.parametrize(
    ("known", "pairs", "age"),
    [
        (["12"], [], 12),
        (["16", "12"], [], 12),  # the lowest
        ([], [], 7),
        (["old"], [], 7),
        (["-3"], [], 7),
        (["12"], ["age=16.5", "user_years=18"], 16.5),  # the request's
        ([], ["age=16"], 16),
        (["16"], ["age=none"], 7),
        (["16"], ["page=3"], 16),
    ],
)
def test_the_age_of_a_user_is_that_of_the_request_or_of_the_data(known, pairs, age):
    made = built(user_field="years", unknown_user=7)
    raw = {
        f.USER_ID: tf.constant([["u"], ["other"]]),
        "user_years": tf.ragged.constant([known, ["30"]], tf.string),
    }
    given = tf.constant([[*pairs, ""], [""] * (len(pairs) + 1)])
    assert made.minimum_age.of_users(raw, given).numpy().tolist() == [age, 30]


def test_ages_may_be_numbers():
    made = built(user_field="years", unknown_user=7)
    years = tf.ragged.constant([[12.5], [], [-1.0], [float("nan")]], tf.float32)
    raw = {f.USER_ID: tf.constant([["u"]] * 4), "user_years": years}
    assert made.minimum_age.of_users(raw).numpy().tolist() == [12.5, 7, 7, 7]


@pytest.mark.parametrize(
    ("fsk", "kind", "rule", "message"),
    [
        (TEXTS, None, {"item_field": "fks"}, "items' file has no field 'fks'.*'fsk'"),
        ([[], ["FSK 12"], [], []], None, {}, "'FSK 12' of item '1' is not an age"),
        ([[], ["-12"], [], []], None, {}, "'-12' of item '1' is not an age"),
        ([[], [-12.0], [], []], NUMERIC, {}, "-12.0 of item '1' is not an age"),
    ],
)
def test_minimum_ages_that_are_none_are_errors(fsk, kind, rule, message):
    with pytest.raises(ValueError, match=message) as caught:
        built(fsk, kind, **rule)
    assert "\n" not in str(caught.value)


class Transform:
    """A transform graph of users with a few side features."""

    def __init__(self, *values):
        self.vocabulary_by_name = lambda name: [value.encode() for value in values]
        names = {value.partition("=")[0] for value in values}
        self.raw_feature_spec = lambda: {
            name: tf.io.RaggedFeature(tf.string) for name in ("user_years", *names)
        }


@pytest.mark.parametrize(
    ("values", "leave_out", "message"),
    [
        (["user_zip=1"], [], "users' file has no field 'years'; there are: zip"),
        (["user_year=1"], [], "'years'; did you mean 'year'"),
        (
            ["user_years=12", "user_years=old"],
            [],
            "years 'old' of a user is not an age",
        ),
        (["user_years=-12"], [], "years '-12' of a user is not an age"),
        (["user_years=12", "user_zip=a", ""], [], None),
        (["user_zip=a"], ["user_years"], None),
    ],
)
def test_the_field_of_the_users_is_checked(values, leave_out, message):
    rule = MinimumAge("fsk", user_field="years")
    if message is None:
        check_ages_of_users(rule, Transform(*values), leave_out)
        return
    with pytest.raises(ValueError, match=message) as caught:
        check_ages_of_users(rule, Transform(*values), leave_out)
    assert "\n" not in str(caught.value)
