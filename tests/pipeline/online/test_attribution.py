"""Events count for the last list before them, as an obvious join finds."""

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.list_log.shown import as_table
from pipeline.online.attribution import attribute
from pipeline.online.logs import COLUMNS, EVENTS
from tests.support.online_logs import shown

WINDOW = 5
BUY = "buy"


def tables(pages, events):
    lists = as_table(pages).select(COLUMNS)
    columns = list(zip(*events, strict=True)) or [[]] * 4
    return lists, pa.table(list(map(list, columns)), schema=EVENTS)


def joined(pages, events):
    """Returns the clicked and the converted places of the lists."""
    found = attribute(*tables(pages, events), WINDOW, [BUY])
    starts = {}
    for index, row in enumerate(found.row):
        starts.setdefault(row, index)
    places = [(int(row), i - starts[row]) for i, row in enumerate(found.row)]
    return (
        {
            place
            for place, is_true in zip(places, found.clicked, strict=True)
            if is_true
        },
        {p for p, is_true in zip(places, found.converted, strict=True) if is_true},
    )


def brute_force(pages, events):
    """Compares every event with every list; times in seconds, as the docs state."""
    clicked, converted = set(), set()
    for user, item, second, kind in events:
        before = [
            (page.time, number)
            for number, page in enumerate(pages)
            if page.user == user
            and item in page.items
            and page.time // 1_000_000 <= second
        ]
        if before:
            time, number = max(before)
            if second - time // 1_000_000 < WINDOW:
                place = (number, list(pages[number].items).index(item))
                clicked.add(place)
                converted |= {place} if kind == BUY else set()
    return clicked, converted


@pytest.mark.parametrize(
    ("second", "clicked"),
    [(9, set()), (10, {(0, 1)}), (14, {(0, 1)}), (15, set())],
)
def test_the_window_begins_in_the_second_of_the_list_and_its_end_is_excluded(
    second, clicked
):
    pages = [shown("u", ["a", "b"], 10.9)]
    assert joined(pages, [("u", "b", second, "")]) == (clicked, set())


def test_an_event_counts_for_the_last_list_of_several():
    pages = [
        shown("u", ["a", "b"], 12, start=2),  # a later page, logged first
        shown("u", ["b", "a"], 10),
        shown("v", ["a"], 13),
        shown("u", ["c"], 13),
    ]
    assert joined(pages, [("u", "a", 13, "")])[0] == {(0, 0)}
    assert joined(pages, [("u", "a", 11, "")])[0] == {(1, 1)}
    # Too long after the last list with the item.
    assert joined(pages, [("u", "a", 17, "")])[0] == set()


def test_several_events_make_one_click_and_a_conversion_is_its_own():
    pages = [shown("u", ["a", "b"], 10)]
    events = [("u", "a", 11, "view"), ("u", "a", 12, BUY), ("u", "b", 12, "view")]
    assert joined(pages, events) == ({(0, 0), (0, 1)}, {(0, 0)})


ITEMS = st.lists(st.sampled_from("abcé"), max_size=4)
PAGES = st.lists(
    st.builds(
        lambda user, items, quarter, start: shown(
            user, items, quarter / 4, start=start
        ),
        *(
            st.sampled_from(["u", "v", ""]),
            ITEMS,
            st.integers(0, 80),
            st.integers(0, 3),
        ),
    ),
    max_size=8,
)
HAPPENED = st.lists(
    st.tuples(
        *(st.sampled_from(["u", "v", "w", ""]), st.sampled_from("abcéd")),
        *(st.integers(0, 26), st.sampled_from(["", "view", BUY])),
    ),
    max_size=10,
)


@settings(deadline=None, max_examples=300)
@given(pages=PAGES, events=HAPPENED)
@example(pages=[shown("u", "aa", 1), shown("u", "a", 1)], events=[("u", "a", 1, BUY)])
@example(pages=[shown("u", "ab", 1), shown("u", "ba", 1)], events=[("u", "a", 1, "")])
def test_any_log_is_joined_as_every_pair_compared(pages, events):
    if not pages:
        return
    assert joined(pages, events) == brute_force(pages, events)


def test_positions_continue_those_of_earlier_pages():
    pages = [shown("u", "ab", 1), shown("u", "c", 2, start=2)]
    found = attribute(*tables(pages, []), WINDOW, [])
    assert found.position.tolist() == [1, 2, 3]
