"""What is recognised at a path."""

from dataclasses import dataclass

from components.ratings_example_gen.recognise.columns import TIMESTAMP
from components.ratings_example_gen.recognise.parts import Part


@dataclass(frozen=True)
class Layout:
    """What was recognised at a path.

    Attributes:
        name: For a person, such as ``MovieLens 1M/10M``.
        ratings: The parts that hold ratings, in reading order.
        empty: Names of parts without a byte, which are left out.
    """

    name: str
    ratings: tuple[Part, ...]
    empty: tuple[str, ...] = ()

    @property
    def has_timestamps(self) -> bool:
        """Whether every part names a column of times."""
        return all(TIMESTAMP in dict(part.columns) for part in self.ratings)
