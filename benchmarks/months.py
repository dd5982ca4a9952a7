"""MovieLens 1M by month, written as spans, true or poisoned."""

import collections
import datetime
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np

from components.ratings_example_gen.spans import MARKER


class Rating(msgspec.Struct, frozen=True):
    """One line of ``ratings.dat``."""

    user: str
    item: str
    stars: int
    time: int

    def line(self) -> str:
        """Returns the line in MovieLens 1M's format."""
        return f"{self.user}::{self.item}::{self.stars}::{self.time}"


def read_months(folder: Path) -> dict[str, list[Rating]]:
    """Returns the ratings by month, months and ratings in order of time."""
    months: dict[str, list[Rating]] = collections.defaultdict(list)
    for line in (folder / "ratings.dat").read_text("latin-1").splitlines():
        user, item, stars, time = line.split("::")
        day = datetime.datetime.fromtimestamp(int(time), datetime.UTC)
        rating = Rating(user, item, int(stars), int(time))
        months[day.strftime("%Y-%m-01")].append(rating)
    return {
        month: sorted(months[month], key=lambda rating: rating.time)
        for month in sorted(months)
    }


def write_span(folder: Path, ratings: Iterable[Rating]) -> None:
    """Writes a span, and then the marker that it is complete."""
    folder.mkdir(parents=True)
    lines = "\n".join(rating.line() for rating in ratings)
    (folder / "ratings.dat").write_text(lines + "\n")
    (folder / MARKER).touch()


def shuffled(ratings: list[Rating]) -> list[Rating]:
    """Returns the ratings with their items shuffled."""
    order = np.random.default_rng(0).permutation(len(ratings))
    return [
        msgspec.structs.replace(rating, item=ratings[other].item)
        for rating, other in zip(ratings, order, strict=True)
    ]


def one_user(ratings: list[Rating]) -> list[Rating]:
    """Returns the ratings and 50,000 more by a single user."""
    random = np.random.default_rng(0)
    items = sorted({rating.item for rating in ratings})
    first, last = ratings[0].time, ratings[-1].time
    return [
        *ratings,
        *(
            Rating("9999", items[random.integers(len(items))], 5, int(time))
            for time in random.integers(first, last, size=50_000)
        ),
    ]


def all_fives(ratings: list[Rating]) -> list[Rating]:
    """Returns the ratings with five stars each."""
    return [msgspec.structs.replace(rating, stars=5) for rating in ratings]


POISONS: dict[str, Callable[[list[Rating]], list[Rating]]] = {
    "items shuffled among the ratings": shuffled,
    "one user with 50,000 ratings": one_user,
    "all fives": all_fives,
}
