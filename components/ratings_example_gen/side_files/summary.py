"""Summarises the content of a file of items or users, for a person to check."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol

from components.ratings_example_gen.side_files.column_facts import ColumnFacts
from components.ratings_example_gen.side_files.columns import SideTable
from components.ratings_example_gen.side_files.header import TITLE
from components.ratings_example_gen.side_files.values import (
    number_dialect,
    read_pieces,
)
from components.ratings_example_gen.side_files.vector_facts import VectorFacts

# Ids shown among those that a file lacks.
MAX_NAMED = 3


class Facts(Protocol):
    """The values of one feature so far: ``ColumnFacts`` or ``VectorFacts``."""

    example: list[str]
    has_several: bool
    missing: int

    def add(self, rows: Sequence[Any]) -> None:
        """Adds the values of some rows."""

    @property
    def distinct(self) -> int:
        """Number of different values."""

    @property
    def length(self) -> int | None:
        """Number of values that each row has; None if rows differ."""

    def oddity(self) -> str | None:
        """Returns why a model can learn little from the column; None if it may."""

    def proposed_kind(self) -> tuple[str, str | None]:
        """Returns the kind that fits the values, and the evidence for it."""


@dataclass(frozen=True)
class FeatureSummary:
    """One feature of items or users.

    Attributes:
        name: Name of the feature in models and schemas.
        column: Name of its column in the file.
        example: The values of the first row that has any.
        has_several: Whether some row has several values.
        missing: Number of rows without a value, or with a vector of zeros.
        distinct: Number of different values, at most ``column_facts.MAX_DISTINCT``.
        kind: ``category``, ``numeric``, ``time``, ``text``, ``hashed`` or ``vector``:
            the declared kind, or else the proposed one.
        evidence: What suggests the proposed kind; None if it is declared, or nothing
            suggests another kind than a category.
        oddity: Why a model can learn little from the column; None if it may.
        length: Number of values that each row has; None if rows differ.
    """

    name: str
    column: str
    example: list[str]
    has_several: bool
    missing: int
    distinct: int
    kind: str
    evidence: str | None
    oddity: str | None
    length: int | None = None


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


def summarise_side(table: SideTable, rated: Set[str]) -> SideSummary:
    """Reads a file of items or users to its end, and summarises it.

    Args:
        table: The file.
        rated: Ids of the items or users in the ratings.

    Raises:
        BadInputError: If a row is bad.
    """
    ids: set[str] = set()
    found: dict[str, Facts] = {}
    dialect = number_dialect(table)
    rows = decoded = 0
    title = None
    all_columns = table.with_undeclared()
    are_vectors = {*table.vectors, *table.vector_sizes}
    for piece in read_pieces(all_columns):
        ids.update(piece.ids)
        rows += len(piece.ids)
        decoded += piece.num_decoded
        title = title or next(filter(None, piece.titles or []), None)
        for name, values in piece.features.items():
            if name not in found:
                is_vector = name in are_vectors
                found[name] = VectorFacts() if is_vector else ColumnFacts(name, dialect)
            found[name].add(values)
    missing = sorted(rated - ids)
    return SideSummary(
        file=table.part.name,
        written=table.written,
        id_column=table.headers.get(table.kind.id_column, table.kind.id_column),
        title_column=table.headers.get(TITLE),
        title_example=title,
        features=[_summary(name, facts, table) for name, facts in found.items()],
        unread=dict(table.unread),
        rows=rows,
        repeated=rows - len(ids),
        decoded=decoded,
        rated=len(rated),
        matched=len(rated) - len(missing),
        first_missing=missing[:MAX_NAMED],
        first_unrated=min(ids - rated, default=None),
    )


def _summary(name: str, facts: Facts, table: SideTable) -> FeatureSummary:
    kind, evidence = facts.proposed_kind()
    if name in table.kinds:
        kind, evidence = table.kinds[name].name, None
    return FeatureSummary(
        name=name,
        column=table.headers.get(name, name),
        example=facts.example,
        has_several=facts.has_several,
        missing=facts.missing,
        distinct=facts.distinct,
        kind=kind,
        evidence=evidence,
        oddity=facts.oddity(),
        length=facts.length,
    )
