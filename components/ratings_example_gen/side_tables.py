"""The files of items and users of some data, with their columns recognised."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from components.catalogue_gen.reader import describe_items
from components.ratings_example_gen.first_matches import (
    FirstMatch,
    match_first_rows,
)
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.side_columns import SideTable
from components.ratings_example_gen.side_files import SideFiles, side_files_of
from components.ratings_example_gen.user_features import describe_users


@dataclass(frozen=True)
class SideTables:
    """What is known of items and users, and how it is read.

    Attributes:
        items: The file of the items, None where there is none.
        users: The file of the users, None where there is none.
        unused: Tables that lie there and are not read.
        first_matches: ``items`` or ``users`` → how many of the first rated ones the
            file describes, where that was looked up.
    """

    items: SideTable | None
    users: SideTable | None
    unused: tuple[str, ...]
    first_matches: Mapping[str, FirstMatch] = field(default_factory=dict)


def describe_side_files(found: SideFiles, settings: Settings) -> SideTables:
    """Returns the files with their columns recognised; reads first lines alone.

    Raises:
        BadInputError: When the columns of a file are not recognised.
    """
    return SideTables(
        describe_items(found.items, settings) if found.items else None,
        describe_users(found.users, settings) if found.users else None,
        found.unused,
    )


def with_first_matches(tables: SideTables, layout: Layout) -> SideTables:
    """Returns the files with the share of the first rated ids that are in them."""
    found = [table for table in (tables.items, tables.users) if table]
    return replace(tables, first_matches=match_first_rows(layout, found))


def side_tables_of(data: str, settings: Settings) -> SideTables:
    """Returns the files of items and users of some data, as its steps will read them.

    Args:
        data: The folder, archive or file of the ratings, or the folder of the spans.
        settings: How it is read.

    Raises:
        BadInputError: When there are no ratings, or a file is not recognised.
    """
    return describe_side_files(side_files_of(data, settings), settings)
