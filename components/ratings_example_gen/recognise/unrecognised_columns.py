"""Warns of columns that may hold ratings or times, but were not recognised."""

import re
import shlex
from collections.abc import Iterator

import pyarrow as pa

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.recognise import guess
from components.ratings_example_gen.recognise.column_names import (
    NOT_READ,
    PANDAS_INDEX,
    RATING,
    TIMESTAMP,
    plain,
)
from components.ratings_example_gen.recognise.ratings_table import Table

_MAX_NAMED = 3
_NAMES = {
    RATING: re.compile("rating|score|stars"),
    TIMESTAMP: re.compile("date|time|created"),
}
_WITHOUT = {
    RATING: "No column of ratings was recognised, so all ratings count as 1.",
    TIMESTAMP: "No column of times was recognised.",
}
_IS = {RATING: "is the rating", TIMESTAMP: "holds the times"}
# Settings that have no effect without the column.
_SETTINGS = {
    RATING: ("decimal", "thousands"),
    TIMESTAMP: ("timestamp_format", "timestamp_unit", "timezone"),
}
_ID = re.compile(
    r"(?:.*[^a-zA-Z])?[iI][dD]|.*I[dD]|(?i:.*(?:transaction|session|order|event)id)"
)


def warnings(table: Table, declared: Dialect) -> Iterator[str]:
    """Yields warnings of settings without an effect, and of overlooked columns."""
    read = {*dict(table.part.columns), *table.unread}
    for meaning in (RATING, TIMESTAMP):
        if meaning not in dict(table.part.columns):
            for name in _SETTINGS[meaning]:
                if getattr(declared, name):
                    yield f"data.{name} has no effect: no {meaning} is read."
        if meaning in read:
            continue
        found = [index for index in _free(table) if _kind(table, index) == meaning]
        if found:
            names = " or ".join(
                repr(table.names[index]) for index in found[:_MAX_NAMED]
            )
            given = shlex.quote(_given(table, found[0]))
            yield (
                f"{_WITHOUT[meaning]} If {names} {_IS[meaning]}, name it: --column "
                f"{meaning}={given}. To confirm that there is none: --column "
                f"{meaning}={NOT_READ}."
            )


def _given(table: Table, index: int) -> str:
    name = table.names[index]
    return name if table.names.count(name) == 1 else str(index)


def _free(table: Table) -> list[int]:
    read = dict(table.part.columns).values()
    return [
        index
        for index, name in enumerate(table.names)
        if index not in read and name not in PANDAS_INDEX and not _ID.fullmatch(name)
    ]


def _kind(table: Table, index: int) -> str | None:
    """Returns the meaning that a column seems to have: rating, timestamp, or None."""
    name = table.names[index]
    for meaning, usual in _NAMES.items():
        if usual.search(plain(name)):
            return meaning
    kind = table.sample.types.get(name)
    if kind is not None and pa.types.is_temporal(kind):
        return TIMESTAMP
    nulls = table.part.dialect.nulls
    texts = [row[index].strip() for row in table.rows]
    texts = [text for text in texts if text not in nulls]
    if texts and all(map(guess.looks_like_time, texts)):
        return TIMESTAMP
    if texts and all(guess.is_number(text, comma=True) for text in texts):
        return RATING
    return None
