"""Reads the values of a file of items or users: lists, missing values, numbers."""

import ast
import html
import html.entities
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.input_errors import BadInputError, Problem
from components.ratings_example_gen.parts import TEXT
from components.ratings_example_gen.read.blocks import read_rows
from components.ratings_example_gen.read.numbers import to_number
from components.ratings_example_gen.read.rows import Block
from components.ratings_example_gen.read.side_texts import to_text
from components.ratings_example_gen.read.times import to_days
from components.ratings_example_gen.side_files.columns import SideTable
from components.ratings_example_gen.side_files.header import TITLE
from components.ratings_example_gen.side_files.vectors import (
    Vector,
    of_lists,
    of_texts,
    what_is_wrong,
)
from trainer_modules import features

SEPARATOR = "|"
# Numbers are stored in 32 bits.
_LARGEST = float(np.finfo(np.float32).max)
# A Python list of plain values, as pandas writes it; nothing else is evaluated.
_ITEM = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[-+.\w]+)"""
_PYTHON_LIST = re.compile(rf"\[\s*(?:{_ITEM}(?:\s*,\s*{_ITEM})*)?\s*,?\s*\]", re.S)
# With its semicolon: "AT&T" and "a&copy" stay as they are.
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")


Values = list[list[str]] | list[list[float]] | list[Vector]
"""The values of a feature in each row."""


@dataclass(frozen=True)
class Piece:
    """Some consecutive rows of a file of items or users.

    Attributes:
        ids: [R] ids, in the same form as in ratings.
        titles: [R] titles, None for a missing one; None without such a column.
        features: Name with its prefix → [R] lists of values, empty if missing; those of
            a numeric feature are floats, categories with weights are written as
            "Drama:0.2", those of a time are days since 1970, and those of a vector are
            an array.
        num_decoded: Number of values whose HTML entities were decoded.
    """

    ids: list[str]
    titles: list[str | None] | None
    features: dict[str, Values]
    num_decoded: int


def read_pieces(table: SideTable) -> Iterator[Piece]:
    """Yields a file of items or users, a few megabytes at a time.

    Raises:
        BadInputError: If a row is bad, or the value of a number, time or vector is not
            one. Such rows are never skipped, because one wrong feature makes the whole
            file suspect.
    """
    for rows in read_rows(table.part, Block(0, 0)):
        given = {n: of_lists(v) for n, v in rows.columns.items() if n in table.vectors}
        others = {n: v for n, v in rows.columns.items() if n not in given}
        columns = {
            name: values.to_pylist()
            for name, values in to_text(
                table.part, replace(rows, columns=others)
            ).items()
        }
        ids = columns.pop(table.kind.id_column)
        cleaner = _Cleaner(table.part.dialect.nulls)
        titles = None
        if TITLE in columns:
            titles = [cleaner.title(value) for value in columns.pop(TITLE)]
        found = {
            name: cleaner.lists(values, name in table.sequences)
            for name, values in columns.items()
        }
        if table.adapt:
            found = table.adapt(found, titles or [])
        for name in found.keys() & table.vector_sizes:
            given[name] = of_texts(found.pop(name), number_dialect(table))
        _check_vectors(given, ids, table)
        _write_weights(found, ids, table)
        typed = {**_typed(found, ids, table), **given}
        yield Piece(ids, titles, typed, cleaner.num_decoded)


def number_dialect(table: SideTable) -> Dialect:
    """Returns the marks of the numbers; Parquet and JSON have no marks of their own."""
    return table.part.dialect if table.part.format == TEXT else Dialect()


def _check_vectors(
    given: Mapping[str, list[Vector]], ids: Sequence[str], table: SideTable
) -> None:
    """Checks that each vector has as many finite numbers as the schema declares.

    Raises:
        BadInputError: If one does not.
    """
    reasons = [
        f"{name} of {row!r} {fault}"
        for name in sorted(given.keys() & table.vector_sizes)
        for row, vector in zip(ids, given[name], strict=True)
        if (fault := what_is_wrong(vector, table.vector_sizes[name]))
    ]
    _refuse(
        table,
        reasons,
        "Correct these vectors, or leave them empty: they may be missing. The schema "
        "declares the length: value_count { min: N max: N }.",
    )


def _write_weights(
    found: dict[str, list[list[str]]], ids: Sequence[str], table: SideTable
) -> None:
    """Checks the weights of categories, and writes them without the file's marks.

    Raises:
        BadInputError: If one is missing, or not a finite number of at least 0.
    """
    reasons = []
    for name in found.keys() & {n for n, k in table.kinds.items() if k.is_weighted}:
        for row, values in zip(ids, found[name], strict=True):
            for place, text in enumerate(values):
                category, _, written = text.rpartition(":")
                weight = to_number(written, number_dialect(table))
                if not category or not 0 <= weight <= _LARGEST:
                    reasons.append(
                        f"{name} of {row!r} has {text!r}, without a weight of 0 or more"
                    )
                values[place] = f"{category.strip()}:{weight!r}"
    _refuse(
        table,
        reasons,
        "Write each value with its weight, as in Drama:0.2, or remove the tag weights "
        "from the feature in the schema.",
    )


def _typed(
    found: Mapping[str, list[list[str]]], ids: Sequence[str], table: SideTable
) -> dict[str, Values]:
    """Returns the values; numbers as floats, and times as days since 1970.

    Raises:
        BadInputError: If such a value is not one finite number or time.
    """
    typed: dict[str, Values] = dict(found)
    reasons = []
    for name in found.keys() & table.numeric:
        is_time = table.kinds[name].name == features.TIME
        to_value, what = (to_days, "time") if is_time else (to_number, "number")
        dialect = table.part.dialect if is_time else number_dialect(table)
        numbers: list[list[float]] = []
        for row, values in zip(ids, found[name], strict=True):
            parsed = [to_value(value, dialect) for value in values]
            if len(values) > 1 or not all(abs(n) <= _LARGEST for n in parsed):
                text = SEPARATOR.join(values)
                reasons.append(f"{name} of {row!r} is {text!r}, not one {what}")
            numbers.append(parsed)
        typed[name] = numbers
    _refuse(
        table,
        reasons,
        "Correct these values, or let the schema declare the feature as a category "
        "(type: BYTES). For a decimal comma, set data.decimal. Times are ISO 8601, as "
        "in 2020-11-10 or 2020-11-10T12:30Z, or seconds since 1970.",
    )
    return typed


def _refuse(table: SideTable, reasons: Sequence[str], advice: str) -> None:
    """Raises BadInputError if there are reasons why values cannot be used."""
    kind = input_errors.NON_NUMERIC_FEATURE
    if reasons:
        raise BadInputError(
            [Problem(table.part.name, 0, kind, reason) for reason in reasons],
            advice=advice,
        )


class _Cleaner:
    """Converts texts to values, and counts those with entities."""

    def __init__(self, null_values: Collection[str]):
        self._null_values = null_values
        self.num_decoded = 0

    def title(self, value: str | list[str]) -> str | None:
        """Returns a title; None if it is missing."""
        text = " ".join(value) if isinstance(value, list) else value
        return self._decoded(text) if self._is_known(text) else None

    def lists(
        self, values: list[str] | list[list[str]], by_blank: bool
    ) -> list[list[str]]:
        """Returns the values of each row; an empty list if they are missing."""
        seen: dict[str, list[str]] = {}
        result = []
        for value in values:
            if isinstance(value, list):
                texts = value
            else:
                if value not in seen:
                    seen[value] = split_values(value, by_blank)
                texts = seen[value]
            result.append([self._decoded(t) for t in texts if self._is_known(t)])
        return result

    def _is_known(self, text: str) -> bool:
        text = text.strip()
        return text != "" and text not in self._null_values

    def _decoded(self, text: str) -> str:
        text = text.strip()
        if "&" not in text:
            return text
        decoded = _ENTITY.sub(_character, text)
        self.num_decoded += decoded != text
        return decoded


def _character(entity: re.Match[str]) -> str:
    """Returns the character that an entity denotes, or the text itself."""
    text = entity[0]
    is_known = text[1] == "#" or text[1:] in html.entities.html5
    return html.unescape(text) if is_known else text


def split_values(text: str, by_blank: bool = False) -> list[str]:
    """Returns the values in a text.

    The values of a JSON or Python list are its members, those of ``a|b`` are two, and
    anything else is one value; ``by_blank`` splits at blanks instead, as RecBole's
    sequences need.
    """
    text = text.strip()
    if by_blank:
        return text.split()
    if text.startswith("[") and text.endswith("]"):
        members = _members(text)
        if members is not None:
            return members
    return text.split(SEPARATOR)


def _members(text: str) -> list[str] | None:
    """Returns the members of a list of plain values; None if it is not such a list."""
    try:
        # Numbers stay as they are written, as they do outside a list.
        found = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        if not _PYTHON_LIST.fullmatch(text):
            return None
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError):  # [nan], [a, b]: names, not values
            return None
    if any(isinstance(member, list | dict) for member in found):
        return None
    return ["" if member is None else str(member) for member in found]
