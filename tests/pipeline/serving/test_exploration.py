"""Places are drawn with the stated probabilities, and pages join to the whole list."""

import collections
import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recommend.user_history import History
from pipeline.serving.exploration import Exploration
from pipeline.serving.list_cursor import Cursor
from trainer_modules.configs.list_rules import Limit, Rules

ITEMS = [f"i{rank}" for rank in range(60)]
HISTORY = History(["seen"], [4.0])


def begun(exploration):
    return Cursor("ann", 1, 0, [], seed=exploration.seed())


def chi_square(counts, probability):
    """Returns the p-value of counts whose classes have the same probability."""
    expected = np.full(len(counts), sum(counts) * probability)
    return scipy.stats.chisquare(counts, expected).pvalue


def test_places_are_drawn_with_the_logged_probabilities():
    exploration = Exploration(3, 7)
    pages = [exploration.page(ITEMS, begun(exploration), 10) for _ in range(42_000)]
    assert {tuple(page.ranks[:7]) for page in pages} == {tuple(range(7))}
    assert {tuple(page.probabilities) for page in pages} == {(1.0,) * 7 + (1 / 7,) * 3}
    assert {tuple(page.pool) for page in pages} == {tuple(range(7, 14))}
    for place in (7, 8, 9):
        shown = collections.Counter(page.ranks[place] for page in pages)
        assert chi_square([shown[rank] for rank in range(7, 14)], 1 / 7) > 1e-4
    # All of the 7 * 6 * 5 orders: places may depend on each other.
    orders = collections.Counter(tuple(page.ranks[7:]) for page in pages)
    drawn = list(itertools.permutations(range(7, 14), 3))
    assert len(drawn) == 210
    assert chi_square([orders[order] for order in drawn], 1 / 210) > 1e-4


def test_the_pages_of_a_list_are_drawn_independently():
    """The second page's draw, given the first place that the first page drew."""
    exploration = Exploration(1, 3)
    pairs = collections.Counter()
    for _ in range(9_000):
        begin = begun(exploration)
        first = exploration.page(ITEMS, begin, 2)
        cursor = begin.after(HISTORY, ITEMS, first.ranks)
        second = exploration.page(ITEMS, cursor, 4)
        pairs[first.ranks[1], second.pool.index(second.ranks[1])] += 1
    counts = [pairs[pair] for pair in itertools.product(range(1, 4), range(3))]
    assert chi_square(counts, 1 / 9) > 1e-4


@settings(max_examples=300, deadline=None)
@given(
    num_items=st.integers(0, 60),
    pages=st.lists(
        st.tuples(st.integers(1, 12), st.integers(0, 5), st.integers(1, 20)),
        min_size=1,
    ),
)
def test_pages_join_to_the_whole_list(num_items, pages):
    """Each page may have another length, and another setting of the server."""
    items, listed = ITEMS[:num_items], []
    place = begun(Exploration(1, 2))
    for k, places, more in itertools.cycle(pages):
        exploration = Exploration(places, places + more)
        end = place.num_listed + k
        num_wanted = exploration.num_wanted(place, end)
        assert num_wanted <= len(listed) + k + 25
        found = items[:num_wanted]
        place.check_seen(HISTORY, found)
        page = exploration.page(found, place, end)
        assert page == exploration.page(found, place, end)
        # With what the model lists beyond, the page is the same.
        assert page == exploration.page(items, place, end)
        left = [rank for rank, item in enumerate(items) if item not in listed]
        drawn = min(places, k - 1)
        head = left[: k - drawn]
        assert page.ranks[: len(head)] == head
        pool = left[len(head) :][: exploration.pool] if drawn else []
        assert page.pool == pool
        assert set(page.ranks[len(head) :]) <= set(pool)
        assert len(page.ranks) == min(k, len(left))
        if not page.ranks:
            break
        listed += [items[rank] for rank in page.ranks]
        place = Cursor.read(place.after(HISTORY, found, page.ranks).text())
        assert place.num_listed == len(listed)
    assert sorted(listed) == sorted(items)


def test_without_exploration_pages_are_the_list():
    begin = begun(Exploration())
    assert begin.seed == 0
    page = Exploration().page(ITEMS[:10], begin, 10)
    assert (page.ranks, page.probabilities, page.pool) == ([*range(10)], [1.0] * 10, [])


def test_a_list_that_began_without_a_seed_is_not_drawn():
    page = Exploration(3, 20).page(ITEMS, Cursor("ann", 1, 0, []), 10)
    assert page.ranks == list(range(10))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("--log-lists 1 --explore 3", "expected two numbers such as 3/20"),
        ("--log-lists 1 --explore 0/20", "expected two numbers such as 3/20"),
        ("--log-lists 1 --explore 3/3", "expected two numbers such as 3/20"),
        ("--log-lists 1 --explore 3/101", "at most 100"),
        ("--explore 3/20", "add --log-lists 1"),
    ],
)
def test_other_settings_are_refused(marquee, options, error):
    ended = marquee("serve", *options.split())
    assert (ended.status, error in " ".join(ended.err.split())) == (2, True)


@pytest.mark.parametrize(
    ("exploration", "rules", "warns"),
    [
        (Exploration(3, 20), Rules(limits=[Limit("genres", 1)]), True),
        (Exploration(3, 20), Rules(deny=["i1"]), False),
        (Exploration(3, 20), None, False),
        (Exploration(), Rules(limits=[Limit("genres", 1)]), False),
    ],
)
def test_limits_that_drawn_places_may_exceed_are_logged(
    caplog, exploration, rules, warns
):
    exploration.warn(7, rules)
    assert ("version 7: its lists have limits" in caplog.text) == warns
