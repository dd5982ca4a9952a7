"""Events count for the last list before them that has their item."""

from pipeline.off_policy.drawn_lists import ShownList
from pipeline.off_policy.followed import Impressions
from pipeline.recommend.user_history import NOTHING, History
from tests.support.online_logs import NOW, write_events


def shown(user, head, drawn, second):
    return ShownList(
        NOW + second,
        1,
        user,
        0,
        list(head),
        list(drawn),
        0.5,
        [],
        0,
        History(),
        NOTHING,
    )


def test_events_of_tiny_lists(tmp_path):
    impressions = Impressions()
    numbers = [
        impressions.add(shown("ann", "ab", "c", 100)),  # 0 1 2
        impressions.add(shown("ann", "c", "a", 50)),  # 3 4; read later, shown earlier
        impressions.add(shown("bob", "", "ab", 100)),  # 5 6
        impressions.add(shown("bob", "d", "", 100)),  # 7
    ]
    assert numbers == [[2], [4], [5, 6], []]
    events = [
        ("ann", "c", NOW + 99),  # 3
        ("ann", "a", NOW + 100),  # 0: in the second of the list
        ("ann", "a", NOW + 101),  # again
        ("bob", "a", NOW + 99),  # before
        ("bob", "b", NOW + 160),  # after the window
        ("bob", "c", NOW + 101),  # not shown
        ("bob", "d", NOW + 159),  # 7: the last second
        ("eve", "a", NOW + 101),
    ]
    write_events(tmp_path, events)
    assert impressions.followed(tmp_path, 60).nonzero()[0].tolist() == [0, 3, 7]
