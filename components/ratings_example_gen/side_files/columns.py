"""Recognises the columns of a file of items or users: id, title and features.

A person is shown which columns are recognised, and which are not read;
``data.item_columns`` and ``data.user_columns`` override wrong guesses.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect, split_line
from components.ratings_example_gen.input_errors import BadInputError, fatal
from components.ratings_example_gen.parts import JSON_SUFFIXES, TEXT, Part
from components.ratings_example_gen.recognise.column_names import ALIASES
from components.ratings_example_gen.recognise.guess import shown_delimiter
from components.ratings_example_gen.recognise.headers import name_header
from components.ratings_example_gen.recognise.sample import (
    Sample,
    empty_file_error,
    first_line,
)
from components.ratings_example_gen.recognise.take_sample import take_sample
from components.ratings_example_gen.side_files.names import Kind

TITLE = "title"
_NOTHING_DECLARED = Dialect()
Columns = dict[str, list[list[str]]]
"""Column → the values of each row."""

# RecBole appends a column's type to its name; sequences are separated by blanks.
_TYPED = re.compile(r"(.+):(token|token_seq|float|float_seq)")
_SEQUENCES = ("token_seq", "float_seq")
# Columns that pandas adds when a table is saved with its index.
_SAVED_INDEX = re.compile(r"|unnamed: \d+|index|level_\d+|__index_level_\d+__")


@dataclass(frozen=True)
class SideTable:
    """A file of items or users, and how its columns are read.

    Attributes:
        kind: What the file describes.
        part: The file. Its columns are the id, ``title`` if there is one, and the
            features with their prefix.
        headers: Name in ``part.columns`` → name of the column in the file.
        sequences: Features whose values are separated by blanks.
        unread: Name in the file → reason why the column is not read.
        adapt: Makes the features from these columns and the titles; None if the columns
            are the features.
    """

    kind: Kind
    part: Part
    headers: Mapping[str, str] = field(default_factory=dict)
    sequences: frozenset[str] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict)
    adapt: Callable[[Columns, Sequence[str | None]], Columns] | None = None

    @property
    def written(self) -> str:
        """A description of how the file is written: format, separator, encoding."""
        dialect = self.part.dialect
        if self.part.format != TEXT:
            return self.part.format
        facts = [f"separated by {shown_delimiter(dialect.delimiter)}"]
        if not dialect.is_utf_8:
            facts.append(f"encoded as {dialect.encoding}")
        if dialect.escape:
            facts.append(f"{dialect.escape} escapes")
        return ", ".join(facts)

    @property
    def features(self) -> list[str]:
        """The names of the columns that become features, with their prefix."""
        return [name for name, _ in self.part.columns[1:] if name != TITLE]


def describe(
    part: Part,
    kind: Kind,
    columns: Mapping[str, str],
    declared: Dialect = _NOTHING_DECLARED,
) -> SideTable:
    """Returns how to read a person's own file of items or users.

    Column ``age`` of users becomes ``user_age``; ``user_age`` keeps its name.

    Args:
        part: The file.
        kind: What the file describes.
        columns: Name of the id and, for items, ``title`` → name or 0-based number of
            the column; columns that are not named are recognised.
        declared: How the text of the data is written, as a person declared it. If the
            separator does not fit this file's first line, it is guessed instead.

    Raises:
        BadInputError: If the file is empty or cannot be read; no column, or more than
            one, may hold the ids; a named column is missing; or two columns make the
            same feature.
    """
    sample = _sample(part, kind, columns, declared)
    part, names = sample.part, sample.names or sample.records[0]
    header = _Header(part, kind, names)
    id_index = header.named(columns.get(kind.id_column), kind.id_column)
    if id_index is None:
        id_index = header.find_id()
    title_index = header.named(columns.get(TITLE), TITLE)
    if title_index is None and kind.has_titles:
        title_index = header.find_title(id_index)
    found = [(kind.id_column, id_index)]
    if title_index is not None:
        found.append((TITLE, title_index))
    unread = {}
    for index, name in enumerate(names):
        if index in (id_index, title_index):
            continue
        reason = header.reason_to_skip(index, id_index) or _nested(sample, name)
        if reason:
            unread[name] = reason
        else:
            found.append((header.feature(index), index))
    header.check_distinct(found)
    dialect = replace(part.dialect, header=part.format == TEXT or None)
    part = replace(part, dialect=dialect, num_fields=len(names), columns=tuple(found))
    sequences = frozenset(
        name for name, index in found if header.types[index] in _SEQUENCES
    )
    shown = {name: names[index] for name, index in found}
    return SideTable(kind, part, shown, sequences - {TITLE, kind.id_column}, unread)


def _sample(
    part: Part, kind: Kind, columns: Mapping[str, str], declared: Dialect
) -> Sample:
    """Returns the beginning of a file, and how it is written."""
    wanted = {columns.get(kind.id_column)} - {None}

    def has_id(records: Sequence[Sequence[str]]) -> bool:
        keys = {_key(name) for name in records[0]}
        return bool(keys & _known_ids(kind) or wanted & set(records[0]))

    if declared.delimiter and not part.base_name.endswith((".parquet", *JSON_SUFFIXES)):
        encoded = replace(part, dialect=Dialect(encoding=declared.encoding))
        line = first_line(encoded).decode(errors="replace")
        if not has_id([split_line(line, declared)]):
            declared = replace(declared, delimiter=None)
    sample = take_sample(part, declared, has_id, all_keys=True)
    if sample is None:
        raise empty_file_error(part)
    return sample


def _nested(sample: Sample, name: str) -> str | None:
    """Returns why a Parquet column cannot be read as values; None if it can."""
    kind = sample.types.get(name)
    if kind is None:
        return None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return f"its type is {kind}" if pa.types.is_nested(kind) else None


def _key(name: str) -> str:
    """Returns a column's name without case, punctuation and RecBole's type."""
    return re.sub(r"[^a-z0-9]", "", _TYPED.sub(r"\1", name.strip()).lower())


def _known_ids(kind: Kind) -> set[str]:
    return {*ALIASES[kind.id_column], "id"}


class _Header:
    """The names of a table's columns, and their possible meanings."""

    def __init__(self, part: Part, kind: Kind, names: Sequence[str]):
        self._part, self._kind, self._names = part, kind, names
        typed = [_TYPED.fullmatch(name.strip()) for name in names]
        is_typed = all(typed)
        self.types = [match[2] if match and is_typed else "" for match in typed]
        self._plain = [
            match[1] if match and is_typed else name
            for match, name in zip(typed, names, strict=True)
        ]
        self._keys = [_key(name) for name in self._plain]
        self._indices = [
            index
            for index, name in enumerate(self._plain)
            if _SAVED_INDEX.fullmatch(name.strip().lower())
        ]

    def named(self, column: str | None, meaning: str) -> int | None:
        """Returns the index of a column that a person named; None if they did not.

        Raises:
            BadInputError: If the column does not exist.
        """
        if column is None:
            return None
        for names in (self._names, self._plain):
            if column in names:
                return list(names).index(column)
        if column.isdecimal() and int(column) < len(self._names):
            return int(column)
        raise self._error(f"has no column {column!r} for {meaning}")

    def find_id(self) -> int:
        """Returns the column of ids; the exact name takes precedence over others.

        Raises:
            BadInputError: If no column, or several columns, may hold the ids.
        """
        exact = self._kind.id_column.replace("_", "")
        known = _known_ids(self._kind)
        for wanted in ({exact}, known):
            found = self._matching(wanted)
            if len(found) == 1:
                return found[0]
            if found:
                raise self._ambiguous(found, f"the {self._kind.one}'s id")
        raise self._error(f"has no column recognised as the {self._kind.one}'s id")

    def find_title(self, id_index: int) -> int | None:
        """Returns the column of titles: title, name, movie_title, then movie.

        Raises:
            BadInputError: If several columns may hold the titles.
        """
        nouns = self._kind.nouns
        for wanted in (
            {TITLE},
            {"name"},
            {noun + ending for noun in nouns for ending in (TITLE, "name")},
            set(nouns),
        ):
            found = [index for index in self._matching(wanted) if index != id_index]
            if len(found) == 1:
                return found[0]
            if found:
                raise self._ambiguous(found, f"the {self._kind.one}'s title")
        return None

    def reason_to_skip(self, index: int, id_index: int) -> str | None:
        """Returns why a column is not read; None if it is a feature."""
        if index in self._indices:
            return "a saved row number"
        if self._keys[index] in _known_ids(self._kind):
            return f"another id; {self._names[id_index]!r} is the id"
        return None

    def feature(self, index: int) -> str:
        """Returns the name of the feature that a column becomes."""
        prefix = self._kind.prefix
        plain = re.sub(r"\W+", "_", self._plain[index].strip().lower()).strip("_")
        return prefix + (plain.removeprefix(prefix) or str(index))

    def check_distinct(self, found: Sequence[tuple[str, int]]) -> None:
        """Refuses two columns for the same feature, and one column for two purposes.

        Raises:
            BadInputError: If there are such columns.
        """
        seen: dict[str, int] = {}
        for name, index in found:
            if name in seen:
                first = self._names[seen[name]]
                raise self._error(
                    f"has two columns for {name}: {first!r} and {self._names[index]!r}"
                )
            seen[name] = index
        if len(set(seen.values())) < len(seen):
            raise self._error("has one column for both the id and the title")

    def _matching(self, wanted: set[str]) -> list[int]:
        return [
            index
            for index, key in enumerate(self._keys)
            if key in wanted and index not in self._indices
        ]

    def _ambiguous(self, found: Sequence[int], what: str) -> BadInputError:
        names = " and ".join(repr(self._names[index]) for index in found)
        return self._error(
            f"has {len(found)} columns that may be {what}: {names}",
            input_errors.AMBIGUOUS_COLUMNS,
        )

    def _error(
        self, what: str, kind: str = input_errors.HEADER_MISMATCH
    ) -> BadInputError:
        names = name_header(self._part, self._names)
        one, meanings = self._kind.one, [self._kind.id_column]
        if self._kind.has_titles:
            meanings.append(TITLE)
        return fatal(
            self._part.name,
            kind,
            f"{names} {what}",
            f"Name the column: --{one}-column {meanings[0]}=NAME, or in a "
            f"configuration data.{one}_columns, which takes {' and '.join(meanings)}. "
            f"To use no file of {self._kind.name}, set data.{self._kind.name}=none.",
        )
