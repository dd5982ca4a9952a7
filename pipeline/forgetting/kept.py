"""What servers have kept: events that they received, and lists that they answered."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components import durable_files
from pipeline.event_log.store import EVENTS_FILE, EventStore
from pipeline.forgetting.ids import Ids
from pipeline.list_log.files import files_of
from pipeline.list_log.reading import tables
from pipeline.list_log.redaction import UserHash
from pipeline.list_log.shown import SCHEMA

_LISTS_OF_ITEMS = ("items", "pool", "history_items", "excluded")


@dataclasses.dataclass(frozen=True)
class Kept:
    """What servers have kept of some users or items.

    Attributes:
        events: Number of events, which no run may have read yet.
        lists: Number of lists, of the users or with the items.
        damaged: Files of lists that cannot be read, and may hold what is forgotten.
    """

    events: int = 0
    lists: int = 0
    damaged: tuple[Path, ...] = ()


def find_kept(out: Path, ids: Ids) -> Kept:
    """Finds what servers have kept; a list of the last minute is in no file yet.

    Raises:
        EventStoreError: If the store of the events cannot be opened.
    """
    events = 0
    if (out / EVENTS_FILE).exists():
        with contextlib.closing(EventStore(out)) as store:
            events = store.count_of(ids.users, ids.items)
    damaged: list[Path] = []
    found = _mentioning(out, ids, damaged)
    lists = sum(pc.sum(mentions).as_py() for _, _, mentions in found)
    return Kept(events, lists, tuple(damaged))


def remove_kept(out: Path, ids: Ids) -> None:
    """Removes it, also while a server is running."""
    if (out / EVENTS_FILE).exists():
        with contextlib.closing(EventStore(out)) as store:
            store.remove(ids.users, ids.items)
    remove_lists(out, ids)


def remove_lists(out: Path, ids: Ids) -> None:
    """Removes lists from complete files, and damaged files as a whole."""
    damaged: list[Path] = []
    for path, table, mentions in _mentioning(out, ids, damaged):
        with durable_files.replacing(path) as unfinished:
            pq.write_table(
                table.filter(pc.invert(mentions)), unfinished, compression="zstd"
            )
    for path in damaged:
        path.unlink(missing_ok=True)


def _mentioning(
    out: Path, ids: Ids, damaged: list[Path]
) -> Iterator[tuple[Path, pa.Table, pa.ChunkedArray]]:
    """Yields files of lists, their rows, and which of these mention an ID.

    Args:
        out: Folder of the runs.
        ids: The IDs.
        damaged: Gets the files that cannot be read.
    """
    names, user_hash = set(ids.users), UserHash.existing(out)
    if user_hash:
        names |= set(map(user_hash, ids.users))
    users, items = pa.array(names, pa.string()), pa.array(ids.items, pa.string())
    paths, readable = files_of(out), set()
    others = [name for name in SCHEMA.names if name != "user"]
    for path, table in tables(paths, ["user"], [], others):
        readable.add(path)
        mentions = pc.is_in(table["user"], value_set=users)
        for name in _LISTS_OF_ITEMS:
            members = pc.is_in(pc.list_flatten(table[name]), value_set=items)
            rows = pc.filter(pc.list_parent_indices(table[name]), members)
            places = pa.chunked_array([pa.array(range(len(table)), pa.int64())])
            mentions = pc.or_(mentions, pc.is_in(places, value_set=rows))
        if pc.any(mentions).as_py():
            yield path, table, mentions
    damaged += [path for path in paths if path not in readable and path.exists()]
