"""The result of recognition: which files hold ratings, and how to read them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.recognise.column_names import TIMESTAMP

if TYPE_CHECKING:
    from components.ratings_example_gen.recognise.reading import Reading


@dataclass(frozen=True)
class Layout:
    """The ratings at a path, and how to read them.

    It is found once per command and once per step, and handed on within it.

    Attributes:
        name: Name of the layout for a person, such as ``MovieLens 1M/10M``.
        ratings: The parts that hold ratings, in reading order.
        reading: How they are read, where that was given or guessed; None if the file
            names determine it.
        event_type: Header of a column that seems to have types of events, where none
            are configured; None if there is no such column.
    """

    name: str
    ratings: tuple[Part, ...]
    reading: "Reading | None" = None
    event_type: str | None = None

    @property
    def has_timestamps(self) -> bool:
        """Whether every part has a column of times."""
        return all(TIMESTAMP in dict(part.columns) for part in self.ratings)
