"""Recognises the columns of a file of items or users: id, title and features.

A person is shown which columns are recognised, and which are not read;
``data.item_columns`` and ``data.user_columns`` override wrong guesses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from components.ratings_example_gen.dialect import Dialect, split_line
from components.ratings_example_gen.parts import JSON_SUFFIXES, TEXT, Part
from components.ratings_example_gen.recognise.guess import shown_delimiter
from components.ratings_example_gen.recognise.parquet_sample import is_nested
from components.ratings_example_gen.recognise.sample import (
    Sample,
    empty_file_error,
    first_line,
)
from components.ratings_example_gen.recognise.take_sample import take_sample
from components.ratings_example_gen.side_files.header import (
    TITLE,
    Header,
    known_ids,
    plain_key,
)
from components.ratings_example_gen.side_files.names import Kind
from components.ratings_example_gen.side_files.vectors import is_vectors
from trainer_modules import features

_NOTHING_DECLARED = Dialect()
Columns = dict[str, list[list[str]]]
"""Column → the values of each row."""

_SEQUENCES = ("token_seq", "float_seq")


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
        kinds: Features that are not categories; features of other files may be among
            them.
        vectors: Features whose type in Parquet shows that they are vectors.
        undeclared: Columns of ``vectors`` that are not read, because the schema does
            not declare them: (feature, position).
    """

    kind: Kind
    part: Part
    headers: Mapping[str, str] = field(default_factory=dict)
    sequences: frozenset[str] = frozenset()
    unread: Mapping[str, str] = field(default_factory=dict)
    adapt: Callable[[Columns, Sequence[str | None]], Columns] | None = None
    kinds: Mapping[str, features.Kind] = field(default_factory=dict)
    vectors: frozenset[str] = frozenset()
    undeclared: tuple[tuple[str, int], ...] = ()

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
    def numeric(self) -> set[str]:
        """Features that are numbers, times or vectors, also some of other files."""
        return {name for name, kind in self.kinds.items() if kind.has_numbers}

    @property
    def vector_sizes(self) -> dict[str, int]:
        """Lengths of the features that are vectors, also some of other files."""
        return {n: kind.size for n, kind in self.kinds.items() if kind.is_vector}

    def declared(self, kinds: Mapping[str, features.Kind]) -> "SideTable":
        """Returns the table with the kinds that a schema declares.

        Parquet's vectors are not read if it does not declare them: as categories, their
        numbers would be useless, and very many.
        """
        names = {n for n in self.vectors if n not in kinds or not kinds[n].is_vector}
        reason = "a vector that the schema does not declare"
        return replace(
            self,
            part=replace(
                self.part,
                columns=tuple(c for c in self.part.columns if c[0] not in names),
            ),
            headers={n: header for n, header in self.headers.items() if n not in names},
            unread={**self.unread, **{self.headers[n]: reason for n in names}},
            kinds=kinds,
            undeclared=tuple(c for c in self.part.columns if c[0] in names),
        )

    def with_undeclared(self) -> "SideTable":
        """Returns the table with the vectors that are only read to propose a schema."""
        columns = (*self.part.columns, *self.undeclared)
        return replace(self, part=replace(self.part, columns=columns))

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
    header = Header(part, kind, names)
    found = _id_and_title(header, kind, columns)
    [(_, id_index), *_] = found
    taken = [index for _, index in found]
    rest = [index for index in range(len(names)) if index not in taken]
    skipped = {
        index: header.reason_to_skip(index, id_index) or _nested(sample, names[index])
        for index in rest
    }
    unread = {names[index]: reason for index, reason in skipped.items() if reason}
    found += [(header.feature(index), index) for index in rest if not skipped[index]]
    header.check_distinct(found)
    dialect = replace(part.dialect, header=part.format == TEXT or None)
    part = replace(part, dialect=dialect, num_fields=len(names), columns=tuple(found))
    sequences = frozenset(
        name for name, index in found if header.types[index] in _SEQUENCES
    )
    shown = {name: names[index] for name, index in found}
    vectors = [
        name for name, index in found if is_vectors(sample.types.get(names[index]))
    ]
    no_features = {TITLE, kind.id_column}
    return SideTable(
        kind,
        part,
        shown,
        sequences - no_features,
        unread,
        vectors=frozenset(vectors) - no_features,
    )


def _id_and_title(
    header: Header, kind: Kind, columns: Mapping[str, str]
) -> list[tuple[str, int]]:
    """Returns the column of the ids and, if there is one, that of the titles."""
    id_index = header.named(columns.get(kind.id_column), kind.id_column)
    if id_index is None:
        id_index = header.find_id()
    title_index = header.named(columns.get(TITLE), TITLE)
    if title_index is None and kind.has_titles:
        title_index = header.find_title(id_index)
    found = [(kind.id_column, id_index)]
    return found if title_index is None else [*found, (TITLE, title_index)]


def _sample(
    part: Part, kind: Kind, columns: Mapping[str, str], declared: Dialect
) -> Sample:
    """Returns the beginning of a file, and how it is written."""
    wanted = {columns.get(kind.id_column)} - {None}

    def has_id(records: Sequence[Sequence[str]]) -> bool:
        keys = {plain_key(name) for name in records[0]}
        return bool(keys & known_ids(kind) or wanted & set(records[0]))

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
    if kind is None or is_vectors(kind):
        return None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return f"its type is {kind}" if is_nested(kind) else None
