"""The header of a file of items or users, and the possible meanings of its columns."""

import re
from collections.abc import Sequence

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.input_errors import BadInputError, fatal
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.recognise.column_meanings import name_header
from components.ratings_example_gen.recognise.column_names import ALIASES
from components.ratings_example_gen.side_files.names import Kind

TITLE = "title"

# RecBole appends a column's type to its name; sequences are separated by blanks.
_TYPED = re.compile(r"(.+):(token|token_seq|float|float_seq)")
# Columns that pandas adds when a table is saved with its index.
_SAVED_INDEX = re.compile(r"|unnamed: \d+|index|level_\d+|__index_level_\d+__")


def plain_key(name: str) -> str:
    """Returns a column's name without case, punctuation and RecBole's type."""
    return re.sub(r"[^a-z0-9]", "", _TYPED.sub(r"\1", name.strip()).lower())


def known_ids(kind: Kind) -> set[str]:
    """Returns the names of a column of ids, as ``plain_key`` returns them."""
    return {*ALIASES[kind.id_column], "id"}


class Header:
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
        self._keys = [plain_key(name) for name in self._plain]
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
        known = known_ids(self._kind)
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
        if self._keys[index] in known_ids(self._kind):
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
