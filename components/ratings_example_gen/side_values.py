"""Reads the values of a file of items or users: lists, missing values, entities."""

import ast
import html
import html.entities
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from components.ratings_example_gen.read.blocks import read_rows
from components.ratings_example_gen.read.rows import Block
from components.ratings_example_gen.read.values import to_text
from components.ratings_example_gen.side_columns import TITLE, SideTable

SEPARATOR = "|"
# A Python list of plain values, as pandas writes one; nothing else is evaluated.
_ITEM = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[-+.\w]+)"""
_PYTHON_LIST = re.compile(rf"\[\s*(?:{_ITEM}(?:\s*,\s*{_ITEM})*)?\s*,?\s*\]", re.S)
# With its semicolon: "AT&T" and "a&copy" stay as they are.
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")


@dataclass(frozen=True)
class Piece:
    """Some consecutive rows of a file of items or users.

    Attributes:
        ids: [R] ids, in the form that they have in ratings.
        titles: [R] titles, None where one is missing; None without such a column.
        features: Name with its prefix -> [R] lists of values, empty where missing.
        num_decoded: Values with HTML entities, which were decoded.
    """

    ids: list[str]
    titles: list[str | None] | None
    features: dict[str, list[list[str]]]
    num_decoded: int


def read_pieces(table: SideTable) -> Iterator[Piece]:
    """Yields a file of items or users, some megabytes at a time.

    Raises:
        BadInputError: When a row is bad: a feature that is wrong for one item makes the
            file suspect for all, so it is never skipped.
    """
    for rows in read_rows(table.part, Block(0, 0)):
        columns = {
            name: values.to_pylist()
            for name, values in to_text(table.part, rows).items()
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
        yield Piece(ids, titles, found, cleaner.num_decoded)


class _Cleaner:
    """Turns texts into values, and counts those with entities."""

    def __init__(self, null_values: Collection[str]):
        self._null_values = null_values
        self.num_decoded = 0

    def title(self, value: str | list[str]) -> str | None:
        """Returns a title, None where it is missing."""
        text = " ".join(value) if isinstance(value, list) else value
        return self._decoded(text) if self._is_known(text) else None

    def lists(
        self, values: list[str] | list[list[str]], by_blank: bool
    ) -> list[list[str]]:
        """Returns the values of each row, none where they are missing."""
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
    """Returns what an entity stands for; the text itself where it is none."""
    text = entity[0]
    is_known = text[1] == "#" or text[1:] in html.entities.html5
    return html.unescape(text) if is_known else text


def split_values(text: str, by_blank: bool = False) -> list[str]:
    """Returns the values that a text holds.

    A JSON or Python list holds its members, ``a|b`` holds two values, and anything else
    is one value; ``by_blank`` splits at blanks instead, as RecBole's sequences need it.
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
    """Returns the members of a list of plain values; None where it is no such list."""
    try:
        # Numbers stay as they are written, as they do outside of a list.
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
