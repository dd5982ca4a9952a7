"""A history with newer events is the one that the next retraining would read."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from pipeline.event_log.expected import Row
from pipeline.event_log.histories import with_events
from pipeline.recommend.item_ids import Coded
from pipeline.recommend.user_history import History

RATED = History(("a", "b"), (5.0, 2.0), ("age=7",), (10, 20))
TYPED = History(("a", "a"), (0.0, 4.0), (), (10, 20), ("view", "buy"))


def event(item, time, rating=4.0, kind=""):
    return Row(f"{item}-{time}", "u", item, rating, kind, time)


def test_without_events_it_is_the_same():
    assert with_events(RATED, [], has_types=False, has_times=True) is RATED


def test_the_newest_rating_of_an_item_counts():
    events = [event("a", 5, 1.0), event("c", 15), event("b", 30, 3.0)]
    assert with_events(RATED, events, has_types=False, has_times=True) == History(
        ("a", "c", "b"), (5.0, 4.0, 3.0), ("age=7",), (10, 15, 30)
    )


def test_an_event_of_a_type_is_added_once():
    events = [event("a", 20, 4.0, "buy"), event("a", 20, 0.0, "view")]
    events += [event("a", 30, 4.0, "buy")]
    assert with_events(TYPED, events, has_types=True, has_times=True) == History(
        ("a", "a", "a", "a"),
        (0.0, 4.0, 0.0, 4.0),
        (),
        (10, 20, 20, 30),
        ("view", "buy", "view", "buy"),
    )


@pytest.mark.parametrize("has_types", [False, True])
def test_events_of_an_unknown_user_are_the_history(has_types):
    kind = "view" if has_types else ""
    events = [event("x", 1, 0.0, kind), event("y", 2, 0.0, kind)]
    assert with_events(
        History(), events, has_types=has_types, has_times=True
    ) == History(
        ("x", "y"), (0.0, 0.0), (), (1, 2), ("view", "view") if has_types else ()
    )


def test_in_data_without_times_events_are_at_the_end():
    timeless = History(("a", "b"), (1.0, 1.0))
    events = [event("c", 5, 1.0), event("a", 7, 1.0)]
    assert with_events(timeless, events, has_types=False, has_times=False) == History(
        ("b", "c", "a"), (1.0, 1.0, 1.0)
    )


def test_a_history_with_more_is_not_logged_as_the_numbers_of_the_data():
    coded = dataclasses.replace(RATED, coded=Coded(np.arange(2), pa.array(["a", "b"])))
    more = [Row("e", "u", "new", 4.0, "", 99)]
    assert with_events(coded, more, has_types=False, has_times=True).coded is None
    assert coded.liking(["new"]).coded is None
    assert with_events(coded, [], has_types=False, has_times=True).coded is not None
