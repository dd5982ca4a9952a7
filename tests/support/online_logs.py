"""A folder of runs with logged lists and received events."""

import contextlib

import pyarrow.parquet as pq

from pipeline.event_log.expected import Row
from pipeline.event_log.store import EventStore
from pipeline.list_log.files import FOLDER
from pipeline.list_log.shown import as_table
from tests.support import logged_page

NOW = 1_795_200_000  # a present time, in seconds UTC
DAY = 86_400


def shown(user, items, second, **changes):
    """Returns a page that a user was shown, with fractions of a second at will."""
    page = logged_page.page(user, list(items), [])
    usual = {"time": round(second * 1e6), "share": 1.0, "version": 1, "model": "m"}
    return page._replace(**(usual | changes))


def write_lists(out, pages, name="lists-20261120T000000.000000Z-1.parquet"):
    """Writes a file of the log."""
    table = as_table(pages)
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    pq.write_table(table, out / FOLDER / name)


def write_events(out, events, name="e", now=NOW):
    """Receives events, each a user, an item, a second, and a type if there are any."""
    rows = [
        Row(f"{name}{number}", user, item, 1.0, *(kind or [""]), second)
        for number, (user, item, second, *kind) in enumerate(events)
    ]
    with contextlib.closing(EventStore(out)) as store:
        store.add([rows], now)
