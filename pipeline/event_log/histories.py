"""Users' histories with the events that came after the data was read.

The data with which a version was accepted ends before it was trained. The events since
then are added when a list is made, so that the next list takes them into account.
"""

import dataclasses
from collections.abc import Sequence

from pipeline.event_log.expected import Row
from pipeline.recommend.user_history import History


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
    times = history.times or [0] * len(history.items)
    types = history.event_types or [""] * len(history.items)
    rated = [
        Row("", "", item, rating, kind, time)
        for item, rating, kind, time in zip(
            history.items, history.ratings, types, times, strict=True
        )
    ]
    found: dict[tuple[str, ...], Row] = {}
    for row in (*rated, *events):
        if has_types:
            found.setdefault((row.item_id, row.event_type, str(row.timestamp)), row)
        elif _is_newest(row, found.get((row.item_id,))):
            found[row.item_id,] = row
    # Stable: rows of the same second stay in the order in which they came.
    rows = sorted(found.values(), key=lambda row: row.timestamp)
    return dataclasses.replace(
        history,
        items=tuple(row.item_id for row in rows),
        ratings=tuple(row.rating for row in rows),
        times=tuple(row.timestamp for row in rows) if has_times else (),
        event_types=tuple(row.event_type for row in rows) if has_types else (),
    )


def _is_newest(row: Row, other: Row | None) -> bool:
    return other is None or row.timestamp >= other.timestamp
