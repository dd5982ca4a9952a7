"""What is recognised at a path."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.ratings_example_gen.recognise.column_names import TIMESTAMP
from components.ratings_example_gen.recognise.parts import Part

if TYPE_CHECKING:
    from components.ratings_example_gen.recognise.reading_report import Reading


@dataclass(frozen=True)
class Layout:
    """What was recognised at a path.

    Attributes:
        name: For a person, such as ``MovieLens 1M/10M``.
        ratings: The parts that hold ratings, in reading order.
        reading: How they are read, where that was given or guessed; None where the file
            names say it.
    """

    name: str
    ratings: tuple[Part, ...]
    reading: "Reading | None" = None

    @property
    def has_timestamps(self) -> bool:
        """Whether every part names a column of times."""
        return all(TIMESTAMP in dict(part.columns) for part in self.ratings)
