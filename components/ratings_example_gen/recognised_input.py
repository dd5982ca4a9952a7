"""What one execution of RatingsExampleGen reads."""

from dataclasses import dataclass

from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.side_files.columns import SideTable


@dataclass(frozen=True)
class RecognisedInput:
    """The files that one execution reads, and how.

    Attributes:
        base: Folder of the dataset, or of the spans.
        layout: The files of ratings.
        users: The file of the users' features; None if there is none.
    """

    base: str
    layout: Layout
    users: SideTable | None

    @property
    def paths(self) -> list[str]:
        """Every file whose bytes determine what the Examples hold, sorted."""
        users = [self.users.part] if self.users else []
        return sorted({part.path for part in (*self.layout.ratings, *users)})
