"""Reads files of items: MovieLens's three layouts and a person's own table.

Rows are few (tens of thousands) beside ratings, so that clarity goes before speed.
"""

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq

from components.ratings_example_gen import files, formats, problems
from components.ratings_example_gen.fingerprints import fingerprint
from components.ratings_example_gen.formats import Part
from components.ratings_example_gen.problems import fatal
from components.ratings_example_gen.reader import Block, read_rows, to_text
from trainer_modules import features

TITLE = "title"
ITEM_GENRES = features.ITEM_FEATURE_PREFIX + "genres"
ITEM_YEAR = features.ITEM_FEATURE_PREFIX + "year"

# Files of items, as MovieLens and we name them.
_NAMES = {"u.item", "movies.dat", "movies.csv", "items.csv"}
_NO_GENRES = {"(no genres listed)", "unknown"}
# "Heat (1995)", and "Fawlty Towers (1975-1979)" of MovieLens 20M and later.
_YEAR = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$")
# u.item: id, title, release date, video release date, URL, then a flag per genre.
_FLAGS_BEGIN = 5


@dataclass(frozen=True)
class _Source:
    """The items' table, and how its columns become features."""

    part: Part
    to_features: Callable[[dict[str, list[str]]], dict[str, list[list[str]]]]


def read_catalogue(uri: str) -> pa.Table:
    """Returns the table of a Catalogue artifact: [I] rows sorted by ``item_id``.

    Columns: ``item_id`` string, ``title`` string or null, ``item_<feature>`` list of
    strings, empty where nothing is known.
    """
    with files.open_binary(f"{uri}/{features.CATALOGUE_FILE}") as file:
        return pq.read_table(file)


def items_beside(ratings: str) -> str:
    """Where the items are that lie beside ratings; empty where there are none.

    Args:
        ratings: A folder, an archive or a file. A file of ratings is no file of items.
    """
    names = {part.base_name for part in _parts(ratings)}
    return ratings if names & _NAMES else ""


def items_fingerprint(path: str) -> str:
    """Returns a hash that changes when a file of the items' source is edited."""
    if not path:
        return ""
    return fingerprint(paths_read(path))


def paths_read(path: str) -> list[str]:
    """Returns the files whose bytes decide what the items are."""
    return sorted({part.path for part in _parts_read(path)})


def read_items(path: str) -> pa.Table:
    """Reads a file of items, or finds it in a MovieLens folder or archive.

    Returns the columns of ``read_catalogue``, in the file's order. Of two rows for
    one item the later counts.

    Raises:
        BadInputError: When there is no such file or a row is bad: side features are
            never left out silently.
    """
    source = _find_source(path)
    columns: dict[str, list[str]] = {}
    for rows in read_rows(source.part, Block(0, 0)):
        for name, values in to_text(source.part, rows).items():
            columns.setdefault(name, []).extend(values)
    ids = columns.pop(features.ITEM_ID, [])
    if not ids:
        raise fatal(
            source.part.name,
            problems.EMPTY_FILE,
            "the file has no rows",
            "Put the items in, or name no items file.",
        )
    by_feature = source.to_features(columns)
    titles = [title or None for title in columns.get(TITLE, [""] * len(ids))]
    last = {item_id: row for row, item_id in enumerate(ids)}
    table = pa.table(
        {
            features.ITEM_ID: pa.array(ids),
            TITLE: pa.array(titles, pa.string()),
            **{
                name: pa.array(values, pa.list_(pa.string()))
                for name, values in by_feature.items()
            },
        }
    )
    return table.take(pa.array(last.values()))


def _parts(path: str) -> list[Part]:
    return formats.find_parts(files.list_files(path))


def _parts_read(path: str) -> list[Part]:
    """The items' table, and u.genre when that is needed to read it."""
    source = _find_source(path)
    return [source.part, *_beside(source.part, "u.genre")]


def _beside(part: Part, name: str) -> list[Part]:
    """Returns the file ``name`` of the same folder or archive, if it is there."""
    if part.base_name != "u.item":
        return []
    if part.member:
        parts = formats.find_parts([part.path])
    else:
        parts = _parts(posixpath.dirname(part.path) or ".")
    return [other for other in parts if other.base_name == name][:1]


def _find_source(path: str) -> _Source:
    parts = _parts(path)
    by_name = {part.base_name: part for part in parts}
    if part := by_name.get("u.item"):
        return _movielens_100k(part)
    if part := by_name.get("movies.dat"):
        return _movielens(part, "::", header_lines=0)
    if (part := by_name.get("movies.csv")) and (
        formats.first_line(part) == b"movieId,title,genres"
    ):
        return _movielens(part, ",", header_lines=1)
    part = by_name.get("items.csv") or (parts[0] if len(parts) == 1 else None)
    if part is None:
        raise fatal(
            path,
            problems.NO_ITEMS_FILE,
            f"no items file among {len(parts)} files",
            "Give the file itself: a CSV, TSV or Parquet with a column item_id.",
        )
    return _own(part)


def _movielens_100k(part: Part) -> _Source:
    genre_files = _beside(part, "u.genre")
    if not genre_files:
        raise fatal(
            part.name,
            problems.NO_ITEMS_FILE,
            "u.genre, which names the genre flags, is not beside it",
            "Put u.genre of the same archive there.",
        )
    genres = _read_genres(genre_files[0])
    flags = range(_FLAGS_BEGIN, _FLAGS_BEGIN + len(genres))
    part = replace(
        part,
        delimiter="|",
        quoted=False,
        latin1=True,
        num_fields=flags.stop,
        columns=(
            (features.ITEM_ID, 0),
            (TITLE, 1),
            *zip(genres, flags, strict=True),
        ),
    )

    def to_features(columns: dict[str, list[str]]) -> dict[str, list[list[str]]]:
        by_item = zip(*(columns[genre] for genre in genres), strict=True)
        return {
            ITEM_GENRES: [
                _without_unknown(
                    genre
                    for genre, flag in zip(genres, row, strict=True)
                    if flag == "1"
                )
                for row in by_item
            ],
            ITEM_YEAR: _years(columns[TITLE]),
        }

    return _Source(part, to_features)


def _read_genres(part: Part) -> list[str]:
    with formats.open_part(part) as file:
        lines = file.read().decode("latin-1").split()
    return [line.split("|")[0] for line in lines]


def _movielens(part: Part, delimiter: str, header_lines: int) -> _Source:
    part = replace(
        part,
        delimiter=delimiter,
        quoted=delimiter == ",",
        latin1=True,
        header_lines=header_lines,
        num_fields=3,
        columns=((features.ITEM_ID, 0), (TITLE, 1), (ITEM_GENRES, 2)),
    )

    def to_features(columns: dict[str, list[str]]) -> dict[str, list[list[str]]]:
        return {
            ITEM_GENRES: _lists(columns[ITEM_GENRES]),
            ITEM_YEAR: _years(columns[TITLE]),
        }

    return _Source(part, to_features)


def _own(part: Part) -> _Source:
    part = formats.describe_features(
        part, features.ITEM_ID, features.ITEM_FEATURE_PREFIX
    )
    titles = {features.ITEM_FEATURE_PREFIX + name for name in (TITLE, "name")}
    columns = tuple(
        (TITLE if name in titles else name, index) for name, index in part.columns
    )

    def to_features(columns: dict[str, list[str]]) -> dict[str, list[list[str]]]:
        return {
            name: _lists(values) for name, values in columns.items() if name != TITLE
        }

    return _Source(replace(part, columns=columns), to_features)


def _lists(values: Iterable[str]) -> list[list[str]]:
    """Splits ``Action|Comedy``; several values of a feature are joined so."""
    return [_without_unknown(value.split("|")) for value in values]


def _without_unknown(values: Iterable[str]) -> list[str]:
    return [value for value in values if value and value not in _NO_GENRES]


def _years(titles: Iterable[str]) -> list[list[str]]:
    return [_YEAR.findall(title) for title in titles]
