"""Pages whose last places are drawn at random from the items that follow.

Lists that a model has chosen alone do not show what users would have done with other
items. Here the last places of a page are drawn from the next items of the model's list,
without replacement and each with the same probability, which is logged.

An item that was passed over is at the head of the next page, in the model's order.
"""

import dataclasses
import logging
import random
from collections.abc import Sequence

from pipeline.serving.list_cursor import Cursor
from trainer_modules.configs.list_rules import Rules

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Page:
    """The items of a page.

    Attributes:
        ranks: Their ranks in the model's list; the best item has rank 0.
        probabilities: With which each was shown at its place.
        pool: Ranks of the items that the last places were drawn from; empty if none was
            drawn.
    """

    ranks: list[int]
    probabilities: list[float]
    pool: list[int]


@dataclasses.dataclass(frozen=True)
class Exploration:
    """How pages are drawn; by default, they are not.

    Attributes:
        places: Number of the last places of a page that are drawn; the first place of a
            page never is.
        pool: Number of items that they are drawn from.
    """

    places: int = 0
    pool: int = 0

    def warn(self, number: int, rules: Rules | None) -> None:
        """Logs if a version has limits, which do not hold for places that are drawn."""
        if self.places and rules and rules.limits:
            _log.warning(
                "version %d: its lists have limits, which the drawn places of a page "
                "may exceed",
                number,
            )

    def seed(self) -> int:
        """Returns the seed of a new list; 0 if its pages are not drawn."""
        return random.randrange(1, 1 << 53) if self.places else 0

    def num_wanted(self, place: Cursor, end: int) -> int:
        """Returns the number of items that the model must list for a page.

        Args:
            place: Where the page begins.
            end: Number of items that are listed when the page is full.
        """
        places = self._places(place, end)
        more = self.pool - places if places else 0
        return max(end + more, place.num_listed + len(place.left))

    def page(self, item_ids: Sequence[str], place: Cursor, end: int) -> Page:
        """Returns a page, the same one for the same arguments.

        Args:
            item_ids: IDs of the items that the model lists, best first.
            place: Where the page begins.
            end: Number of items that are listed when the page is full.
        """
        unlisted, places = place.unlisted(item_ids), self._places(place, end)
        num_head = end - place.num_listed - places
        head, rest = unlisted[:num_head], unlisted[num_head:]
        pool = rest[: self.pool] if places else []
        if not pool:
            return Page(head, [1.0] * len(head), [])
        # A list's pages are drawn independently: the text is hashed to the state.
        drawing = random.Random(f"{place.seed}/{place.num_listed}")
        drawn = drawing.sample(pool, min(places, len(pool)))
        each = [1 / len(pool)] * len(drawn)
        return Page(head + drawn, [1.0] * len(head) + each, pool)

    def _places(self, place: Cursor, end: int) -> int:
        """Returns the number of places of a full page that are drawn."""
        # A list that began without a seed is not drawn from its second page on either.
        return min(self.places, end - place.num_listed - 1) if place.seed else 0
