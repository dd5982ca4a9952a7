"""The events that servers have received, and that no run may have read yet."""

import contextlib
from pathlib import Path

from pipeline.event_log.store import EVENTS_FILE, EventStore
from pipeline.forgetting.ids import Ids


def count_received(out: Path, ids: Ids) -> int:
    """Returns the number of received events of some users or items.

    Raises:
        EventStoreError: If the store cannot be opened.
    """
    if not (out / EVENTS_FILE).exists():
        return 0
    with contextlib.closing(EventStore(out)) as store:
        return store.count_of(ids.users, ids.items)


def remove_received(out: Path, ids: Ids) -> None:
    """Removes the events of some users or items, also while a server is running."""
    with contextlib.closing(EventStore(out)) as store:
        store.remove(ids.users, ids.items)
