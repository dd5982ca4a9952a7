"""Reads the users' side features, in the same buckets as their ratings."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.recognise import movielens
from components.ratings_example_gen.recognise.sample import first_line
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.side_files.columns import SideTable, describe
from components.ratings_example_gen.side_files.names import USERS
from components.ratings_example_gen.side_files.values import read_pieces
from components.ratings_example_gen.side_files.vectors import Vector

UserTable = dict[str, list[tuple[str, Sequence[str] | Sequence[float] | Vector]]]
"""user id → (feature name, values)."""


@dataclass(frozen=True)
class UserPiece:
    """Some rows of the file of users that belong to one bucket.

    Attributes:
        number: Position in the file; of two rows for one user, the later counts.
        num_rows: Number of rows, several of which may be for one user.
        users: The users' features.
    """

    number: int
    num_rows: int
    users: UserTable


def merge(pieces: Iterable[UserPiece]) -> tuple[UserTable, int]:
    """Returns the users of one bucket, and how many rows are overruled by later ones.

    Args:
        pieces: The pieces of the bucket, in any order, as Beam delivers them.
    """
    users: UserTable = {}
    num_rows = 0
    for piece in sorted(pieces, key=lambda piece: piece.number):
        users.update(piece.users)
        num_rows += piece.num_rows
    return users, num_rows - len(users)


# MovieLens's files without a header → separator, and the features after the id.
_MOVIELENS = {
    "u.user": ("|", ("age", "gender", "occupation", "zip")),
    "users.dat": ("::", ("gender", "age", "occupation", "zip")),
}


def describe_users(part: Part, settings: Settings) -> SideTable:
    """Returns how to read a file of users, MovieLens's or a person's own.

    Raises:
        BadInputError: If no column is recognised as the id.
    """
    return _describe(part, settings).declared(settings.kinds)


def _describe(part: Part, settings: Settings) -> SideTable:
    delimiter, names = _MOVIELENS.get(part.base_name, (",", ()))
    fields = (USERS.id_column, *(USERS.prefix + name for name in names))
    first = first_line(part).decode("latin-1") if names else ""
    columns = settings.user_columns
    if columns or not names or len(first.split(delimiter)) != len(fields):
        return describe(part, USERS, columns, settings.dialect)
    part = replace(
        part,
        dialect=movielens.fixed(part, delimiter, settings.dialect),
        num_fields=len(fields),
        columns=tuple((name, i) for i, name in enumerate(fields)),
    )
    return SideTable(USERS, part)


def read_users(table: SideTable, num_buckets: int) -> Iterator[tuple[int, UserPiece]]:
    """Yields (bucket, piece) of a file of users, a few megabytes at a time.

    Raises:
        BadInputError: If a row is bad.
    """
    for number, piece in enumerate(read_pieces(table)):
        buckets: defaultdict[int, UserTable] = defaultdict(dict)
        num_rows: Counter[int] = Counter()
        for row, user_id in enumerate(piece.ids):
            bucket = zlib.crc32(user_id.encode()) % num_buckets
            num_rows[bucket] += 1
            buckets[bucket][user_id] = [
                (name, values[row])
                for name, values in piece.features.items()
                # An Example's empty list has a type: that of texts.
                if len(values[row]) or name not in table.numeric
            ]
        for bucket, users in buckets.items():
            yield bucket, UserPiece(number, num_rows[bucket], users)
