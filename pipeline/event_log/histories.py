"""Users' histories with the events that came after the data was read.

The data with which a version was accepted ends before it was trained. The events since
then are added when a list is made, so that the next list takes them into account.
"""

import dataclasses
import itertools
import operator
from collections.abc import Sequence

from pipeline.event_log.expected import Row
from pipeline.recommend.user_history import History

_Rated = tuple[str, float, int, str]  # item, rating, time, type of event


def with_events(
    history: History, events: Sequence[Row], *, has_types: bool, has_times: bool
) -> History:
    """Returns a history with newer events.

    An event that it has already is not added again. Without types of events, an item is
    rated once, and the newest rating counts.

    Args:
        history: The history in the data.
        events: Events of the user, the oldest first.
        has_types: Whether the data has types of events.
        has_times: Whether the data has times. Without them, events are at the end.
    """
    if not events:
        return history
    rated = zip(
        history.items,
        history.ratings,
        history.times or itertools.repeat(0),
        history.event_types or itertools.repeat(""),
        strict=False,
    )
    newer = ((e.item_id, e.rating, e.timestamp, e.event_type) for e in events)
    found: dict[_Rated | str, _Rated] = {}
    for row in itertools.chain(rated, newer):
        item, _, time, kind = row
        if has_types:
            found.setdefault((item, 0, time, kind), row)
        elif item not in found or time >= found[item][2]:
            found[item] = row
    # Stable: rows of the same second stay in the order in which they came.
    rows = sorted(found.values(), key=operator.itemgetter(2))
    items, ratings, at, kinds = zip(*rows, strict=True)
    return dataclasses.replace(
        history,
        items=items,
        coded=None,
        ratings=ratings,
        times=at if has_times else (),
        event_types=kinds if has_types else (),
    )
