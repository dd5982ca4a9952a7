"""Reads the users' side features, in the buckets that the ratings are in."""

import zlib
from collections import defaultdict
from collections.abc import Iterator

from components.ratings_example_gen.formats import USER_ID, Part
from components.ratings_example_gen.reader import Block, read_rows, to_text

VALUE_SEPARATOR = "|"

UserTable = dict[str, list[tuple[str, list[str]]]]
"""user id → (feature name, values)."""


def read_users(part: Part, num_buckets: int) -> Iterator[tuple[int, UserTable]]:
    """Yields (bucket, users) of a users file, some megabytes at a time.

    Values are categories; several of one feature are separated by ``|``. Of two
    rows for one user the later counts.

    Raises:
        BadInputError: When a row is bad: a feature that is wrong for one user makes
            the file suspect for all, so it is never skipped.
    """
    for rows in read_rows(part, Block(0, 0)):
        buckets: defaultdict[int, UserTable] = defaultdict(dict)
        columns = to_text(part, rows)
        ids = columns.pop(USER_ID)
        for row, user_id in enumerate(ids):
            buckets[zlib.crc32(user_id.encode()) % num_buckets][user_id] = [
                (name, [v for v in values[row].split(VALUE_SEPARATOR) if v])
                for name, values in columns.items()
            ]
        yield from buckets.items()
