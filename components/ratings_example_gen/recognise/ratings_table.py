"""A table of ratings: its columns, and what its beginning shows."""

from dataclasses import dataclass

import pyarrow as pa

from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.recognise.sample import Sample


@dataclass(frozen=True)
class Table:
    """A part that holds ratings, and what its beginning shows.

    Attributes:
        part: The part, with its columns and dialect.
        sample: What the beginning of the part shows.
        names: Header of each column; empty if there is no header.
        rows: Some rows as texts: those that have the right number of fields.
        by_position: Meanings whose column is given or guessed by its position.
        unused: Columns without a meaning, and the row numbers that pandas saved.
        unread: Meanings whose column a person does not want to be read.
        shows: What the sample shows: ``decimal``, ``times`` or ``local times``.
    """

    part: Part
    sample: Sample
    names: tuple[str, ...]
    rows: list[list[str]]
    by_position: frozenset[str]
    unused: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    shows: frozenset[str] = frozenset()

    def values(self, meaning: str) -> pa.Array:
        """Returns a column's values in the sample, as a reader yields them."""
        index = dict(self.part.columns)[meaning]
        if self.sample.types:
            return self.sample.bounds_of(self.names[index])
        values = [row[index].encode("utf-8", "surrogatepass") for row in self.rows]
        return pa.array(values, pa.binary())

    def texts(self, meaning: str) -> list[str]:
        """Returns a column's values in the sample, without null values."""
        index = dict(self.part.columns).get(meaning)
        if index is None:
            return []
        nulls = self.part.dialect.nulls
        values = [row[index].strip() for row in self.rows]
        return [value for value in values if value not in nulls]
