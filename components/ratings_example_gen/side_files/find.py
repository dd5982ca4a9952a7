"""Finds the files of items and users that belong to some ratings.

They are in the folder or archive of the ratings, beside a single file of ratings, or
beside spans; ``data.items`` and ``data.users`` name them wherever they are, or state
``none``. A run, ``marquee data`` and ``marquee schema propose`` all search here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.ratings_example_gen import files, input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import BadInputError, fatal
from components.ratings_example_gen.parts import DATA_SUFFIXES, Part, find_parts
from components.ratings_example_gen.recognise.column_names import (
    ITEM_ID,
    RATING,
    TIMESTAMP,
    USER_ID,
    match,
)
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.recognition import recognise_for
from components.ratings_example_gen.recognise.take_sample import take_sample
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.side_files import names as file_names
from components.ratings_example_gen.side_files.names import ITEMS, USERS, Kind
from components.wording import counted

# Endings of tables, whether or not they can be read.
_TABLES = (
    *(*DATA_SUFFIXES, *file_names.SUFFIXES),
    *(ITEMS.suffix, USERS.suffix, ".xlsx", ".xls"),
)


@dataclass(frozen=True)
class SideFiles:
    """The other files beside ratings.

    Attributes:
        items: The file of items; None if there is none.
        users: The file of users; None if there is none.
        unused: Names of other tables, which are not read.
    """

    items: Part | None
    users: Part | None
    unused: tuple[str, ...]


def find_side_files(
    paths: Sequence[str], ratings: Sequence[Part], settings: Settings
) -> SideFiles:
    """Returns the files of items and users, and the other tables beside the ratings.

    Args:
        paths: Files of the ratings, and those among them.
        ratings: Those of them that hold ratings.
        settings: Their ``items`` and ``users`` name the files, or a folder or archive
            with them; ``none`` for no file; None to search ``paths``, and the folder of
            a single file.

    Raises:
        BadInputError: If a declared file does not exist, several fit equally well, or
            columns are named for a file that does not exist.
    """
    around = [*paths, *_beside_single_file(paths)]
    parts = find_parts([path for path in around if path not in settings.declared])
    items = _find(ITEMS, settings.items, parts, ratings)
    users = _find(USERS, settings.users, parts, ratings)
    _check_columns(ITEMS, items, settings.item_columns)
    _check_columns(USERS, users, settings.user_columns)
    read = {part.name for part in (*ratings, items, users) if part}
    tables = [part for part in parts if part.base_name.endswith(_TABLES)]
    unused = tuple(part.name for part in tables if part.name not in read)
    return SideFiles(items, users, unused)


def _check_columns(kind: Kind, part: Part | None, columns: Mapping[str, str]) -> None:
    """Refuses columns without a file: they were meant to have an effect.

    Raises:
        BadInputError: If there are such columns.
    """
    if columns and part is None:
        raise fatal(
            f"data.{kind.one}_columns",
            input_errors.NO_SIDE_FILE,
            f"it names columns of a file of {kind.name}, but there is no such file",
            f"Name the file (data.{kind.name}=PATH), or remove the columns.",
        )


def side_files_of(
    data: str, settings: Settings, layout: Layout | None = None
) -> SideFiles:
    """Returns the files of items and users that belong to some data.

    Args:
        data: The folder, archive or file of the ratings.
        settings: Settings of RatingsExampleGen.
        layout: The ratings; None to recognise them.

    Raises:
        BadInputError: As in ``find_side_files``, or if there are no ratings.
    """
    if settings.spans or settings.window:  # They are beside the spans, for all of them.
        paths = [f"{data}/{name}" for name in files.list_folder(data)[1]]
        return find_side_files(paths, (), settings)
    paths = files.list_files(data)
    layout = layout or recognise_for(settings, paths, data)
    return find_side_files(paths, layout.ratings, settings)


def _beside_single_file(paths: Sequence[str]) -> list[str]:
    if len(paths) != 1:
        return []
    found = files.neighbours(paths[0])
    return [path for path in found if not path.lower().endswith(".zip")]


def _is_log(part: Part) -> bool:
    """Returns whether a table has both ids and a rating or time: a log of actions.

    As features, it would leak the labels.
    """

    def has_ids(records: Sequence[Sequence[str]]) -> bool:
        return bool(match(USER_ID, records[0]) and match(ITEM_ID, records[0]))

    try:
        sample = take_sample(part, Dialect(), has_ids)
    except BadInputError:
        return False  # The reader of its columns reports what is wrong.
    if sample is None:
        return False
    names = sample.names or sample.records[0]
    return has_ids([names]) and bool(match(RATING, names) or match(TIMESTAMP, names))


def _find(
    kind: Kind, declared: str | None, parts: Sequence[Part], ratings: Sequence[Part]
) -> Part | None:
    if declared == file_names.NONE:
        return None
    if not declared:
        return file_names.find(kind, parts, ratings, _is_log)
    parts = find_parts(files.list_files(declared))
    found = parts[0] if len(parts) == 1 else file_names.find(kind, parts, ())
    if found is None:
        raise fatal(
            declared,
            input_errors.NO_SIDE_FILE,
            f"no file of {kind.name} among {counted(len(parts), 'file')}",
            "Name the file itself: CSV, TSV, Parquet or JSON lines with a column "
            f"{kind.id_column}.",
        )
    return found
