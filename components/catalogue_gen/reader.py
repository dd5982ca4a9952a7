"""Reads files of items: MovieLens's three layouts and a person's own table.

There are few rows (tens of thousands), so clarity takes precedence over speed.
"""

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.exec_properties import ExecProperties
from components.ratings_example_gen import files, input_errors
from components.ratings_example_gen.fingerprints import fingerprint
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.part_bytes import open_part
from components.ratings_example_gen.parts import Part, find_parts
from components.ratings_example_gen.recognise import movielens
from components.ratings_example_gen.recognise.sample import first_line
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.side_files.columns import (
    Columns,
    SideTable,
    describe,
)
from components.ratings_example_gen.side_files.find import side_files_of
from components.ratings_example_gen.side_files.header import TITLE
from components.ratings_example_gen.side_files.names import ITEMS
from components.ratings_example_gen.side_files.values import read_pieces
from trainer_modules import features

ITEM_GENRES = features.ITEM_FEATURE_PREFIX + "genres"
ITEM_YEAR = features.ITEM_FEATURE_PREFIX + "year"

_NO_GENRES = {"(no genres listed)", "unknown"}
# "Heat (1995)", and "Fawlty Towers (1975-1979)" of MovieLens 20M and later.
_YEAR = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$")
# u.item: id, title, release date, video release date, URL, then a flag per genre.
_FLAGS_BEGIN = 5


@dataclass(frozen=True)
class Items:
    """The items of a file.

    Attributes:
        table: The columns of ``read_catalogue``, with distinct ids, in the order of the
            file.
        num_duplicates: Number of rows that a later row for the same item overrules.
        num_decoded: Number of values whose HTML entities were decoded.
    """

    table: pa.Table
    num_duplicates: int = 0
    num_decoded: int = 0


def find_items(exec_properties: ExecProperties) -> Part | None:
    """Returns the file of items; None if there is none.

    The driver calls it for the cache, and the executor again: both may run in different
    processes, and some runners have no drivers.

    Raises:
        BadInputError: If there are no ratings, or several files may hold the items.
    """
    settings = Settings.from_json(exec_properties["settings"])
    return side_files_of(exec_properties["ratings"], settings).items


def read_catalogue(uri: str) -> pa.Table:
    """Returns the table of a Catalogue artifact: one row per item, by ``item_id``.

    Columns: ``item_id`` string, ``title`` string or null, ``item_<feature>`` list of
    strings, or of floats if they are numbers or times; empty if the feature is missing.
    The metadata of a column has the feature's kind (``features.Kind``).
    """
    with files.open_binary(f"{uri}/{features.CATALOGUE_FILE}") as file:
        # Not pq.read_table, which also imports pandas and pyarrow.dataset.
        return pq.ParquetFile(file).read()


def items_fingerprint(part: Part | None) -> str:
    """Returns a hash that changes when a file with items is edited."""
    if part is None:
        return ""
    return fingerprint(paths_read(part))


def paths_read(part: Part) -> list[str]:
    """Returns the files whose bytes determine the items."""
    return sorted({part.path, *(other.path for other in _genres_of(part))})


def no_items() -> Items:
    """Returns an empty table of items, for data without a file of them."""
    nothing = pa.array([], pa.string())
    return Items(pa.table({features.ITEM_ID: nothing, TITLE: nothing}))


def read_items(table: SideTable) -> Items:
    """Reads a file of items to its end; of two rows for one item, the later counts.

    Raises:
        BadInputError: If the file has no rows or a row is bad: side features are never
            left out silently.
    """
    ids: list[str] = []
    titles: list[str | None] = []
    by_feature: dict[str, list[Any]] = {}
    num_decoded = 0
    for piece in read_pieces(table):
        ids += piece.ids
        titles += piece.titles or [None] * len(piece.ids)
        num_decoded += piece.num_decoded
        for name, values in piece.features.items():
            by_feature.setdefault(name, []).extend(values)
    if not ids:
        raise fatal(
            table.part.name,
            input_errors.EMPTY_FILE,
            "the file has no rows",
            "Add the items, or use no file of items (data.items=none).",
        )
    last = {item_id: row for row, item_id in enumerate(ids)}
    fields = [_field(name, table.kinds.get(name)) for name in by_feature]
    found = pa.table(
        [ids, titles, *by_feature.values()],
        pa.schema([*no_items().table.schema, *fields]),
    )
    rows = found.take(pa.array(last.values()))
    return Items(rows, len(ids) - len(last), num_decoded)


def _field(name: str, kind: features.Kind | None) -> pa.Field:
    """Returns the column of a feature; its metadata has the kind, for the Trainers."""
    if kind is None:
        return pa.field(name, pa.list_(pa.string()))
    values = pa.float32() if kind.has_numbers else pa.string()
    return pa.field(name, pa.list_(values), metadata=kind.as_texts())


def describe_items(part: Part, settings: Settings) -> SideTable:
    """Returns how to read a file of items, MovieLens's or a person's own.

    Raises:
        BadInputError: If no column is recognised as the id, or u.genre is missing.
    """
    return _describe(part, settings).declared(settings.kinds)


def _describe(part: Part, settings: Settings) -> SideTable:
    columns = settings.item_columns
    if not columns:
        if part.base_name == "u.item":
            return _movielens_100k(part, settings)
        if part.base_name in ("movies.dat", "movies.csv"):
            first = first_line(part)
            if part.base_name == "movies.dat" and first.count(b"::") == 2:
                return _movielens(part, "::", settings, is_old=True)
            if first == b"movieId,title,genres":
                return _movielens(part, ",", settings, is_old=False)
    return describe(part, ITEMS, columns, settings.dialect)


def _genres_of(part: Part) -> list[Part]:
    """Returns the file with the genre names of ``u.item``, if it exists."""
    if part.base_name != "u.item":
        return []
    if part.member:
        parts = find_parts([part.path])
    else:
        folder = posixpath.dirname(part.path) or "."
        names = files.list_folder(folder)[1]
        parts = find_parts([f"{folder}/{n}" for n in names if n == "u.genre"])
    return [other for other in parts if other.base_name == "u.genre"][:1]


def _movielens_100k(part: Part, settings: Settings) -> SideTable:
    genre_files = _genres_of(part)
    if not genre_files:
        raise fatal(
            part.name,
            input_errors.NO_SIDE_FILE,
            "u.genre, which names the genre flags, is missing beside it",
            "Copy u.genre from the same archive to this folder.",
        )
    genres = _read_genres(genre_files[0])
    flags = range(_FLAGS_BEGIN, _FLAGS_BEGIN + len(genres))
    part = replace(
        part,
        dialect=movielens.fixed(part, "|", settings.dialect),
        num_fields=flags.stop,
        columns=(
            (features.ITEM_ID, 0),
            (TITLE, 1),
            *zip(genres, flags, strict=True),
        ),
    )

    def to_features(columns: Columns, titles: Sequence[str | None]) -> Columns:
        by_item = zip(*(columns[genre] for genre in genres), strict=True)
        return {
            ITEM_GENRES: [
                _without_unknown(
                    genre
                    for genre, flag in zip(genres, row, strict=True)
                    if flag == ["1"]
                )
                for row in by_item
            ],
            ITEM_YEAR: _years(titles),
        }

    return SideTable(ITEMS, part, adapt=to_features)


def _read_genres(part: Part) -> list[str]:
    with open_part(part) as file:
        lines = file.read().decode("latin-1").split()
    return [line.split("|")[0] for line in lines]


def _movielens(
    part: Part, delimiter: str, settings: Settings, *, is_old: bool
) -> SideTable:
    part = replace(
        part,
        dialect=movielens.fixed(part, delimiter, settings.dialect, is_old=is_old),
        num_fields=3,
        columns=((features.ITEM_ID, 0), (TITLE, 1), (ITEM_GENRES, 2)),
    )

    def to_features(columns: Columns, titles: Sequence[str | None]) -> Columns:
        genres = [_without_unknown(values) for values in columns[ITEM_GENRES]]
        return {ITEM_GENRES: genres, ITEM_YEAR: _years(titles)}

    return SideTable(ITEMS, part, adapt=to_features)


def _without_unknown(values: Iterable[str]) -> list[str]:
    return [value for value in values if value not in _NO_GENRES]


def _years(titles: Iterable[str | None]) -> list[list[str]]:
    return [_YEAR.findall(title or "") for title in titles]
