"""Describes the files of items and users of some data, with their columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from components.catalogue_gen.reader import describe_items
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.side_files.columns import SideTable
from components.ratings_example_gen.side_files.find import SideFiles, side_files_of
from components.ratings_example_gen.side_files.first_rated_ids import (
    FirstMatch,
    match_first_rows,
)
from components.ratings_example_gen.side_files.users import describe_users


@dataclass(frozen=True)
class SideTables:
    """The files of items and users, and how they are read.

    Attributes:
        items: The file of items; None if there is none.
        users: The file of users; None if there is none.
        unused: Names of other tables, which are not read.
        first_matches: ``items`` or ``users`` → how many of the first rated ids the file
            describes, if that was looked up.
    """

    items: SideTable | None
    users: SideTable | None
    unused: tuple[str, ...]
    first_matches: Mapping[str, FirstMatch] = field(default_factory=dict)


def describe_side_files(found: SideFiles, settings: Settings) -> SideTables:
    """Returns the files with their columns recognised; reads only first lines.

    Raises:
        BadInputError: If the columns of a file are not recognised.
    """
    return SideTables(
        describe_items(found.items, settings) if found.items else None,
        describe_users(found.users, settings) if found.users else None,
        found.unused,
    )


def with_first_matches(tables: SideTables, layout: Layout) -> SideTables:
    """Returns the files with the number of first rated ids that are in them."""
    found = [table for table in (tables.items, tables.users) if table]
    return replace(tables, first_matches=match_first_rows(layout, found))


def side_tables_of(
    data: str, settings: Settings, layout: Layout | None = None
) -> SideTables:
    """Returns the files of items and users of some data, as the steps will read them.

    Args:
        data: The folder, archive or file of the ratings, or the folder of the spans.
        settings: How it is read.
        layout: The ratings; None to recognise them.

    Raises:
        BadInputError: If there are no ratings, or a file is not recognised.
    """
    return describe_side_files(side_files_of(data, settings, layout), settings)
