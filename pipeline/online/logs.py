"""Reads the logged lists and the events, by parts of the users.

A part has all rows of its users, so that each is joined alone and memory is bounded,
whatever the size of the logs. Parts are in files without a name, which end with the
process.
"""

import contextlib
import dataclasses
import itertools
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.delivery_section import SHADOW
from pipeline.event_log.store import EVENTS_FILE, read_since
from pipeline.list_log import reading
from pipeline.list_log.files import existing_files, written_since
from pipeline.list_log.redaction import names_in_lists
from pipeline.list_log.shown import SCHEMA

COLUMNS = ("time", "share", "version", "model", "user", "known", "start", "items")
# Files of earlier releases do not have these: all of their lists were shown.
WHETHER_SHOWN = ("arm", "failed")
LISTS = pa.schema([SCHEMA.field(name) for name in COLUMNS])
EVENTS = pa.schema(
    [
        ("user", pa.string()),
        ("item", pa.string()),
        ("time", pa.int64()),
        ("type", pa.string()),
    ]
)
PART_BYTES = 16 * 2**20  # of the logs; about 30,000 lists of ten items
MAX_PARTS = 200  # each has two open files
CHUNK_ROWS = 50_000


@dataclasses.dataclass
class Read:
    """What reading found.

    Attributes:
        not_shown: Number of lists of a shadow, or that could not be made.
        share: Lowest share of the lists that is logged; 1 if there are none.
        damaged: Descriptions of files that could not be read.
    """

    not_shown: int = 0
    share: float = 1.0
    damaged: list[str] = dataclasses.field(default_factory=list)


class Parts:
    """Rows in parts, by a hash of the user."""

    def __init__(self, schema: pa.Schema, files: Sequence[IO[bytes]]):
        """Starts without rows.

        Args:
            schema: Columns, among them ``user``.
            files: An empty file for each part.
        """
        self._files = files
        self._writers = [pa.ipc.new_stream(file, schema) for file in files]

    def add(self, rows: pa.Table) -> None:
        """Adds rows to the parts of their users."""
        users = rows["user"].combine_chunks().dictionary_encode()
        hashes = [zlib.crc32(user.encode()) for user in users.dictionary.to_pylist()]
        part_of_user = np.array(hashes, np.int64) % len(self._files)
        part = part_of_user[users.indices.to_numpy()] if hashes else part_of_user
        for number, writer in enumerate(self._writers):
            writer.write_table(rows.take(np.flatnonzero(part == number)))

    def tables(self) -> Iterator[pa.Table]:
        """Yields each part; no rows can be added afterwards."""
        for file, writer in zip(self._files, self._writers, strict=True):
            writer.close()
            file.seek(0)
            yield pa.ipc.open_stream(file).read_all()


def read_parts(
    out: Path, since: int, read: Read
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yields the lists and the events of each part of the users.

    Args:
        out: Folder of the runs.
        since: Oldest list and event that are needed, in seconds UTC; a few older ones
            may be among them.
        read: Counts what is left out.

    Raises:
        NoListsError: If no list has been logged.
        EventStoreError: If there are no events, or they cannot be read.
    """
    paths = written_since(existing_files(out), since)
    events = event_tables(out, since)
    first = next(events, None)  # before the lists are read: it may fail
    size = max(sum(map(_size, paths)), _size(out / EVENTS_FILE))
    with contextlib.ExitStack() as files:
        lists, happened = (
            Parts(
                schema,
                [
                    files.enter_context(tempfile.TemporaryFile())
                    for _ in range(min(1 + size // PART_BYTES, MAX_PARTS))
                ],
            )
            for schema in (LISTS, EVENTS)
        )
        for rows in _chunks(paths, read):
            lists.add(rows)
        for rows in itertools.chain([first] if first else [], events):
            happened.add(rows)
        yield from zip(lists.tables(), happened.tables(), strict=True)


def event_tables(out: Path, since: int) -> Iterator[pa.Table]:
    """Yields events, each under every name that lists may have for its user.

    Args:
        out: Folder of the runs.
        since: Oldest event that is needed, in seconds UTC.

    Yields:
        Tables with the columns ``EVENTS``, in any order.

    Raises:
        EventStoreError: If there are no events, or they cannot be read.
    """
    names = names_in_lists(out)
    for rows in read_since(out, since, CHUNK_ROWS):
        named = [(name, *rest) for user, *rest in rows for name in names(user)]
        columns = map(list, zip(*named, strict=True))
        yield pa.table(list(columns), schema=EVENTS)


def _chunks(paths: list[Path], read: Read) -> Iterator[pa.Table]:
    """Yields the lists of several files at once: each has those of a minute."""
    waiting: list[pa.Table] = []
    for _, rows in reading.tables(paths, COLUMNS, read.damaged, WHETHER_SHOWN):
        waiting.append(_shown(rows, read))
        if sum(map(len, waiting)) >= CHUNK_ROWS:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _shown(rows: pa.Table, read: Read) -> pa.Table:
    """Returns the lists of a file that were shown."""
    if len(rows):
        read.share = min(read.share, pc.min(rows["share"]).as_py())
    shown = rows
    if "arm" in rows.column_names:
        shown = shown.filter(pc.not_equal(shown["arm"], SHADOW))
    if "failed" in rows.column_names:
        shown = shown.filter(pc.invert(shown["failed"]))
    read.not_shown += len(rows) - len(shown)
    return shown.select(COLUMNS)


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
