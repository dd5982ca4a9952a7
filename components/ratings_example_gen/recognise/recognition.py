"""Recognises which files hold ratings, and how they are written.

A table is CSV, TSV, JSON lines or Parquet, described by its header, by a mapping of
columns or, without either, by the usual order user, item, rating, timestamp. The files
of MovieLens 100K (``u.data``), 1M and 10M (``ratings.dat``) take precedence over others
beside them, and are read like any other.

Recognition reads only first lines. Each command and each step calls it once, and hands
the ``Layout`` on. Steps do not share it: they may run in different processes and pods,
and a step served from the cache does not run at all.
"""

from collections.abc import Collection, Mapping, Sequence

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import WHITESPACE, Dialect
from components.ratings_example_gen.input_errors import fatal
from components.ratings_example_gen.parts import (
    DATA_SUFFIXES,
    PARQUET,
    TEXT,
    Part,
    find_parts,
)
from components.ratings_example_gen.recognise import event_types, movielens
from components.ratings_example_gen.recognise.describe_tables import describe_tables
from components.ratings_example_gen.recognise.duplicate_files import (
    check_no_compressed_copies,
)
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.reading_report import reading_of
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.side_files.names import holds_no_ratings
from components.wording import counted

_KINDS = {"\t": "TSV", ",": "CSV", WHITESPACE: "text separated by blanks"}


def recognise_for(settings: Settings, paths: Sequence[str], place: str) -> Layout:
    """Returns the layout of the given files under some settings.

    Every command and step recognises ratings here, so that all agree.

    Raises:
        BadInputError: As in ``recognise``.
    """
    return recognise(
        paths,
        settings.columns,
        settings.declared,
        place,
        settings.dialect,
        has_events=settings.events is not None,
    )


def recognise(
    paths: Sequence[str],
    columns: Mapping[str, str] | None = None,
    apart: Collection[str] = (),
    place: str = "the input",
    dialect: Dialect | None = None,
    *,
    has_events: bool = False,
) -> Layout:
    """Returns the layout of the given files.

    Args:
        paths: Files, as ``files.list_files`` finds them.
        columns: ``user_id``, ``item_id``, ``rating``, ``timestamp``, ``event_type`` →
            header or 0-based number of the column; columns that are not named are
            recognised.
        apart: Files that hold something else, whatever their names.
        place: Where the files were looked for, for errors.
        dialect: How the text is written, as a person declared it.
        has_events: Whether types of events are configured.

    Raises:
        BadInputError: If no file holds ratings, one is damaged or can be read in two
            ways, or a header does not match the mapping.
    """
    parts = [part for part in find_parts(paths) if part.path not in apart]
    parts = movielens.ratings_among(parts) or parts
    layout = _recognise_own(
        parts, columns or {}, place, dialect or Dialect(), has_events
    )
    check_no_compressed_copies(layout.ratings)
    return layout


def _recognise_own(
    parts: Sequence[Part],
    columns: Mapping[str, str],
    place: str,
    declared: Dialect,
    has_events: bool,
) -> Layout:
    candidates = [part for part in parts if part.base_name.endswith(DATA_SUFFIXES)]
    ratings = [part for part in candidates if not holds_no_ratings(part.base_name)]
    if len(parts) == 1:
        ratings = list(parts)  # A person named it, whatever the name is.
    if not ratings:
        raise fatal(
            place,
            input_errors.NO_RATINGS_FILE,
            f"no ratings file among {counted(len(parts), 'file')}",
            "Provide a file, or a folder with u.data, ratings.dat, ratings.csv or your "
            f"own files ending in {', '.join(DATA_SUFFIXES)} (also .gz, .zip).",
        )
    tables, empty = describe_tables(ratings, columns, declared, has_events=has_events)
    described = tuple(table.part for table in tables)
    reading = reading_of(tables, declared, list(columns), empty, has_events=has_events)
    name = movielens.name_of(described) or _name(described)
    event_type = None if has_events else event_types.column_of(tables[0])
    return Layout(name, described, reading, event_type)


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
