"""Recognises which files hold ratings, and how they are written.

A table is CSV, TSV, JSON lines or Parquet, described by its header, by a mapping of
columns, or, without either, by the usual order user, item, rating, timestamp. The files
of MovieLens 100K (``u.data``), 1M and 10M (``ratings.dat``) are preferred to others
beside them, and read like any other.
"""

from collections.abc import Collection, Mapping, Sequence

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import WHITESPACE, Dialect
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.recognise import movielens, own_tables
from components.ratings_example_gen.recognise.duplicate_files import (
    check_no_compressed_copies,
)
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.parts import (
    DATA_SUFFIXES,
    PARQUET,
    TEXT,
    Part,
    find_parts,
)
from components.ratings_example_gen.recognise.reading_report import reading_of
from components.ratings_example_gen.recognise.side_file_names import holds_no_ratings
from components.ratings_example_gen.settings import Settings
from components.wording import counted

_KINDS = {"\t": "TSV", ",": "CSV", WHITESPACE: "text separated by blanks"}


def recognise_for(settings: Settings, paths: Sequence[str], place: str) -> Layout:
    """Returns the layout of the given files, read as some settings say.

    Every command and step recognises ratings here, so that they agree.

    Raises:
        BadInputError: As ``recognise``.
    """
    return recognise(
        paths, settings.columns, settings.declared, place, settings.dialect
    )


def recognise(
    paths: Sequence[str],
    columns: Mapping[str, str] | None = None,
    apart: Collection[str] = (),
    place: str = "the input",
    dialect: Dialect | None = None,
) -> Layout:
    """Returns the layout of the given files.

    Args:
        paths: Files, as ``files.list_files`` finds them.
        columns: ``user_id``, ``item_id``, ``rating``, ``timestamp`` → the column's
            header or its 0-based number; what is not in it is recognised.
        apart: Those that hold something else, whatever their names are.
        place: Where the files were looked for, to name it in an error.
        dialect: What a person said of how the text is written.

    Raises:
        BadInputError: When no file holds ratings, one is damaged or can be read in two
            ways, or a header does not match the mapping.
    """
    parts = [part for part in find_parts(paths) if part.path not in apart]
    parts = movielens.ratings_among(parts) or parts
    layout = _recognise_own(parts, columns or {}, place, dialect or Dialect())
    check_no_compressed_copies(layout.ratings)
    return layout


def _recognise_own(
    parts: Sequence[Part], columns: Mapping[str, str], place: str, declared: Dialect
) -> Layout:
    candidates = [part for part in parts if part.base_name.endswith(DATA_SUFFIXES)]
    ratings = [part for part in candidates if not holds_no_ratings(part.base_name)]
    if len(parts) == 1:
        ratings = list(parts)  # Asked for by name, whatever the name is.
    if not ratings:
        raise fatal(
            place,
            input_errors.NO_RATINGS_FILE,
            f"no ratings file among {counted(len(parts), 'file')}",
            "Give a file, or a folder with u.data, ratings.dat, ratings.csv or your "
            f"own files ending in {', '.join(DATA_SUFFIXES)} (also .gz, .zip).",
        )
    tables, empty = own_tables.describe(ratings, columns, declared)
    described = tuple(table.part for table in tables)
    reading = reading_of(tables, declared, list(columns), empty)
    name = movielens.name_of(described) or _name(described)
    return Layout(name, described, reading)


def _name(parts: Sequence[Part]) -> str:
    kinds = sorted({_kind(part) for part in parts})
    name = " and ".join(kinds)
    text = [part for part in parts if part.format == TEXT]
    if not text:
        return name
    header = "with" if any(part.dialect.header for part in text) else "without"
    return f"{name}, {header} header"


def _kind(part: Part) -> str:
    if part.format == PARQUET:
        return "Parquet"
    if part.format != TEXT:
        return part.format
    mark = part.dialect.delimiter or ","
    return _KINDS.get(mark, f"text separated by {mark!r}")
