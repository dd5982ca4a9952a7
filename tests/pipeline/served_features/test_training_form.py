"""Histories in the form in which both sides are compared, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from pipeline.recommend.user_history import Histories, History, files_of
from pipeline.served_features import training_form
from pipeline.served_features.training_form import TrainingForm
from tests.support.examples import serialize
from trainer_modules.features import NUMERIC, WEIGHTED, Kind

DAY, NOW = 86_400, 1_795_000_000
KINDS = {"user_income": Kind(NUMERIC, 10), "user_tags": Kind(WEIGHTED, 0)}


def form_of(tmp_path, records, kinds=KINDS):
    path = tmp_path / "Split-train" / "data.gz"
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number, record in enumerate(records):
            writer.write(serialize(user_id=[f"u{number}".encode()], **record))
    return TrainingForm(Histories(files_of(str(tmp_path))), kinds)


@pytest.fixture
def form(tmp_path, monkeypatch):
    """Ten users, with incomes from 1 to 10, and items of which two are frequent."""
    monkeypatch.setattr(training_form, "MAX_VALUES", 2)
    return form_of(
        tmp_path,
        [
            {
                "item_id": [b"a", b"b", f"c{number}".encode()],
                "rating": [1.0, 2.0, 5.0],
                "timestamp": [NOW - 9, NOW - 8, NOW - 7],
                "event_type": [b"view", b"view", b"buy"],
                "user_income": [float(number + 1)],
                "user_city": [b"Oslo"],
                "user_tags": [b"x:y:0.5", b"z:1"],
            }
            for number in range(10)
        ],
    )


def test_a_row(form):
    history = History(
        ["a", "c1", "A", "liked"],
        [1.0, 5.0, 0.5, float(np.finfo(np.float32).max)],
        [
            "user_income=2.5",
            "user_city=oslo",
            "user_tags=x:y:1",
            "age=12",
            "user_new=1",
        ],
        [NOW - 3 * DAY, NOW - 2 * DAY, NOW - 2 * DAY],
        ["view", "buy", ""],
    )
    assert form.row("u1", history, NOW) == {
        "user_id": ["in the training data"],
        "history_item_id": ["a", "(rare)", "(not in the training data)"],
        "history_rating": ["up to 1", "up to 5", "(less than 1)"],
        "history_event_type": ["view", "buy", ""],
        "history_length": ["up to 3"],
        "newest_event": ["up to 40 years"],
        "newest_event_age": ["up to a week"],
        "user_income": ["up to 3"],
        "user_city": ["(not in the training data)"],
        "user_tags": ["x:y"],
    }


def test_what_is_missing_is_a_value(form):
    assert form.row("U1", History(["a"], [2.0]), NOW) == {
        "user_id": ["(not in the training data)"],
        "history_item_id": ["a"],
        "history_rating": ["up to 2"],
        "history_event_type": ["(missing)"],
        "history_length": ["(less than 3)"],
        "newest_event": ["(missing)"],
        "newest_event_age": ["(missing)"],
        "user_income": ["(missing)"],
        "user_city": ["(missing)"],
        "user_tags": ["(missing)"],
    }


@pytest.mark.parametrize(
    ("text", "word"),
    [
        *(("1", "up to 1"), ("10", "up to 10"), ("9.5", "up to 10")),
        *(("0.5", "(less than 1)"), ("11", "(more than 10)")),
        *(("nan", "(not in the training data)"), ("x", "(not in the training data)")),
    ],
)
def test_numbers_are_in_tenths_of_training(form, text, word):
    row = form.row("u1", History((), (), [f"user_income={text}"]), NOW)
    assert row["user_income"] == [word]


@pytest.mark.parametrize(
    ("at", "newest", "age"),
    [
        (NOW + 60, "up to 40 years", "up to a minute"),
        (NOW + 61, "up to 40 years", "up to an hour"),
        (NOW + 31 * DAY, "up to 40 years", "up to a year"),
        (NOW + 41 * 366 * DAY, "(more than 40 years)", "(more than 40 years)"),
        (NOW - 3600, "up to 40 years", "up to a minute"),
        (NOW - 2 * DAY, "(after the request)", "(after the request)"),
    ],
)
def test_the_age_of_the_newest_event(form, at, newest, age):
    history = History(["a", "b"], [1.0, 1.0], (), [NOW, NOW - DAY])
    row = form.row("u1", history, at)
    assert (row["newest_event"], row["newest_event_age"]) == ([newest], [age])


def test_data_without_times_types_and_features(tmp_path):
    form = form_of(tmp_path, [{"item_id": [b"a"], "rating": [1.0]}], {})
    row = form.row("u0", History(["a"], [1.0], ["user_x=1"], [5], ["view"]), NOW)
    assert set(row) == {
        *("user_id", "history_item_id", "history_rating", "history_length")
    }
