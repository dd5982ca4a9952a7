"""Summarises the content of a file of items or users, for a person to check."""

from collections.abc import Set
from dataclasses import dataclass

from components.ratings_example_gen.side_files.columns import SideTable
from components.ratings_example_gen.side_files.header import TITLE
from components.ratings_example_gen.side_files.values import read_pieces

# Ids shown among those that a file lacks.
MAX_NAMED = 3
# Values shown for a feature.
_MAX_VALUES = 3


@dataclass(frozen=True)
class FeatureSummary:
    """One feature of items or users.

    Attributes:
        name: Name of the feature in models and schemas.
        column: Name of its column in the file.
        example: The values of the first row that has any.
        has_several: Whether some row has several values.
        missing: Number of rows without a value.
    """

    name: str
    column: str
    example: list[str]
    has_several: bool
    missing: int


@dataclass(frozen=True)
class SideSummary:
    """A file of items or users, and how it fits the ratings.

    Attributes:
        file: Name of the file.
        written: How it is written: its separator and encoding.
        id_column: Name of the column of ids in the file.
        title_column: Name of the column of titles; None if there is none.
        title_example: The first title.
        features: The other columns that are read.
        unread: Column that is not read → reason.
        rows: Number of rows.
        repeated: Number of rows that a later row for the same id overrules.
        decoded: Number of values whose HTML entities are decoded.
        rated: Number of rated items, or of users who rated.
        matched: Number of those that are in the file.
        first_missing: The first of the others.
        first_unrated: The first id of the file without a rating; None if all have one.
    """

    file: str
    written: str
    id_column: str
    title_column: str | None
    title_example: str | None
    features: list[FeatureSummary]
    unread: dict[str, str]
    rows: int
    repeated: int
    decoded: int
    rated: int
    matched: int
    first_missing: list[str]
    first_unrated: str | None


class _Feature:
    """The values of one feature so far."""

    def __init__(self) -> None:
        self.example: list[str] = []
        self.has_several = False
        self.missing = 0

    def add(self, rows: list[list[str]]) -> None:
        for values in rows:
            self.missing += not values
            self.has_several |= len(values) > 1
            if len(values) > len(self.example) <= 1:
                self.example = values[:_MAX_VALUES]


def summarise_side(table: SideTable, rated: Set[str]) -> SideSummary:
    """Reads a file of items or users to its end, and summarises it.

    Args:
        table: The file.
        rated: Ids of the items or users in the ratings.

    Raises:
        BadInputError: If a row is bad.
    """
    ids: set[str] = set()
    found: dict[str, _Feature] = {}
    rows = decoded = 0
    title = None
    for piece in read_pieces(table):
        ids.update(piece.ids)
        rows += len(piece.ids)
        decoded += piece.num_decoded
        title = title or next(filter(None, piece.titles or []), None)
        for name, values in piece.features.items():
            found.setdefault(name, _Feature()).add(values)
    missing = sorted(rated - ids)
    return SideSummary(
        file=table.part.name,
        written=table.written,
        id_column=table.headers.get(table.kind.id_column, table.kind.id_column),
        title_column=table.headers.get(TITLE),
        title_example=title,
        features=[
            FeatureSummary(name, table.headers.get(name, name), **vars(feature))
            for name, feature in found.items()
        ],
        unread=dict(table.unread),
        rows=rows,
        repeated=rows - len(ids),
        decoded=decoded,
        rated=len(rated),
        matched=len(rated) - len(missing),
        first_missing=missing[:MAX_NAMED],
        first_unrated=min(ids - rated, default=None),
    )
