"""The settings that decide which ratings are read, and how."""

from typing import Literal

import msgspec

from components.ratings_example_gen.settings import MaxBadFraction, MaxHistory, Repeats
from pipeline.config.types import Column, ItemColumn, Text, UserColumn


class DataConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    r"""Which ratings to read, and how.

    The settings from ``delimiter`` to ``null_values`` describe how your text files are
    written. If one is null, it is guessed from the first lines; ``marquee data`` and
    the start of every run show what was guessed.

    Attributes:
        source: ``sample`` (generated), ``ml-100k``, ``ml-1m``, ``ml-10m``, ``ml-20m``,
            ``ml-25m``, ``ml-32m``, or the path of your own file or folder: CSV, TSV,
            JSON lines or Parquet; plain, .gz or .zip. Or rows of a database, as in
            ``postgresql://host:5432/shop#ratings``, or a query after the #; or objects,
            as in ``s3://bucket/ratings/``.
        items: File with features of the items, or rows of a database. If null, a file
            is looked for among the ratings and next to a single ratings file
            (items.csv, movies.parquet, ratings.item ...); ``none`` reads no such file.
        users: File with features of the users, found in the same way, or rows of a
            database.
        item_columns: Which column of the items file holds what, if its header does not
            show it, as in ``{item_id: isbn, title: Book-Title}``: a header name, or a
            number counted from 0. All other columns are features.
        user_columns: The same for the users file, as in ``{user_id: member}``.
        columns: Which column of the ratings holds what, if the header does not show it,
            as in ``{user_id: member, item_id: 0, rating: stars, timestamp: 3}``: a
            header name, or a number counted from 0. ``none`` for ``rating``,
            ``timestamp`` or ``event_type`` ignores that column.
        delimiter: Separator of fields: ``comma``, ``semicolon``, ``tab``, ``pipe``,
            ``whitespace`` (runs of blanks and tabs), or the separator itself, such as
            "::".
        encoding: Text encoding by its Python name: utf-8, latin-1, utf-16, cp1252 ...
        quote: Character around fields that contain separators or line ends; ``none`` if
            there is none.
        escape: Character that removes the special meaning of the next one, as the
            backslash in \"; ``none`` if there is none.
        header: Whether the first line names the columns.
        decimal: Decimal mark of ratings: "." or ",".
        thousands: Mark between groups of three digits; ``none`` if there is none.
        timestamp_format: ``iso8601``, or a format of Python's strptime such as
            "%d.%m.%Y %H:%M".
        timestamp_unit: Unit of numeric times since 1970: ``s``, ``ms``, ``us`` or
            ``ns``.
        timezone: IANA time zone of times without an offset, such as Europe/Berlin; null
            means UTC. In the hour that occurs twice in autumn, the first is meant.
        null_values: Texts that mean "no value". If null: [NULL, "null", "\\N", NaN,
            nan, None, NA, N/A, <NA>]. A row without a user or an item is bad. An
            unquoted null in the list means the texts NULL and null.
        keep_blanks: Whether blanks around IDs are kept; otherwise they are trimmed.
        max_bad_fraction: Share of rows that may be bad, which are written to a
            quarantine file. With 0, the run stops at the first bad row.
        repeats: Which rating counts if a user rated an item more than once: the
            ``latest``, the ``first`` or the ``highest``; with types of events also
            ``count``: the latest, with the weights of all of them added up; or ``all``:
            each of them, but of those with the same time and type only one
            (docs/events.md). Ratings of equal time, or without times, are taken in the
            order of the files.
        max_history: Number of ratings kept per user, the newest; the run reports how
            many were dropped. At least 3, one for each split.
    """

    source: Text = "sample"
    items: Text | None = None
    users: Text | None = None
    item_columns: dict[ItemColumn, Text] = {}
    user_columns: dict[UserColumn, Text] = {}
    columns: dict[Column, Text] = {}
    delimiter: Text | None = None
    encoding: Text | None = None
    quote: Text | None = None
    escape: Text | None = None
    header: bool | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Text | None = None
    timestamp_format: Text | None = None
    timestamp_unit: Literal["s", "ms", "us", "ns"] | None = None
    timezone: Text | None = None
    null_values: list[str | None] | None = None
    keep_blanks: bool = False
    max_bad_fraction: MaxBadFraction = 0.0
    repeats: Repeats = "latest"
    max_history: MaxHistory = 10_000
