"""Adds up what users did with the lists of a version, part by part of the users."""

import dataclasses

import numpy as np
import pyarrow.compute as pc

from pipeline.online.attribution import Impressions
from pipeline.online.figures import ALL, KNOWN, UNKNOWN, Figures, VersionFigures
from pipeline.online.kept_versions import KeptVersion
from pipeline.online.rates import Sums

MAX_POSITIONS = 20


@dataclasses.dataclass(frozen=True)
class OfLists:
    """What users did with each of N lists.

    Attributes:
        known: Whether the user is known [N].
        impressions: Number of items [N].
        clicks: Number of them that an event followed [N].
        converted: Whether a conversion followed one of them [N].
        ndcg: nDCG, 0 without a click [N].
    """

    known: np.ndarray
    impressions: np.ndarray
    clicks: np.ndarray
    converted: np.ndarray
    ndcg: np.ndarray

    @classmethod
    def of(cls, found: Impressions, known: np.ndarray) -> "OfLists":
        """Adds up the impressions of each list.

        nDCG has the gain 1 for an item with a click, the discount log2(position + 1),
        and k is the length of the list up to the end of the page.

        Args:
            found: The impressions.
            known: Whether the user of each list is known [N].
        """
        row, num = found.row, len(known)
        clicks = np.bincount(row, found.clicked, num)
        gains = np.bincount(row, found.clicked / np.log2(found.position + 1), num)
        discounts = 1 / np.log2(np.arange(int(clicks.max(initial=0))) + 2)
        ideal = np.concatenate([[1.0], np.cumsum(discounts)])[clicks.astype(int)]
        return cls(
            known=known,
            impressions=np.bincount(row, minlength=num),
            clicks=clicks,
            converted=np.bincount(row, found.converted, num) > 0,
            ndcg=gains / ideal,
        )


class _Slice:
    """The lists of some users."""

    def __init__(self) -> None:
        self.ctr, self.clicked, self.conversion = Sums(), Sums(), Sums()
        self.ndcg, self.new_items, self.lists = Sums(), Sums(), 0

    def add(
        self, user: np.ndarray, lists: OfLists, new: np.ndarray, which: np.ndarray
    ) -> None:
        """Adds those lists of some users that are in the slice.

        Args:
            user: Number of each list's user [N].
            lists: The lists.
            new: Number of new items in each list [N].
            which: Indices of the lists in the slice.
        """
        self.lists += len(which)
        user, clicks = user[which], lists.clicks[which]
        once, has_click = np.ones(len(which)), clicks > 0
        self.ctr.add(user, lists.impressions[which], clicks)
        self.clicked.add(user, once, has_click)
        self.conversion.add(user, once, lists.converted[which])
        self.ndcg.add(user, has_click, lists.ndcg[which])
        self.new_items.add(user, lists.impressions[which], new[which])

    def figures(self, *, has_conversions: bool, is_kept: bool) -> Figures:
        """Returns the figures of the slice."""
        return Figures(
            users=self.clicked.users,
            lists=self.lists,
            impressions=int(self.ctr.x),
            clicks=int(self.ctr.y),
            ctr=self.ctr.rate(),
            clicked_lists=self.clicked.rate(),
            conversion=self.conversion.rate() if has_conversions else None,
            ndcg=self.ndcg.rate(),
            new_items=self.new_items.rate() if is_kept else None,
        )


class Tally:
    """The lists of a version."""

    def __init__(self, kept: KeptVersion | None):
        """Starts without lists.

        Args:
            kept: The version; None if it has been removed.
        """
        self._kept = kept
        self._slices = {ALL: _Slice(), KNOWN: _Slice(), UNKNOWN: _Slice()}
        self._positions = [Sums() for _ in range(MAX_POSITIONS)]
        self._items: set[str] = set()

    def add(self, found: Impressions, lists: OfLists, which: np.ndarray) -> None:
        """Adds lists of users, none of whom was added before.

        Args:
            found: The impressions of all lists of these users.
            lists: What they did with each.
            which: Which of the lists are added [N].
        """
        if not which.any():
            return
        shown = np.flatnonzero(which[found.row])
        position = found.position[shown]
        for number, sums in enumerate(self._positions, 1):
            at = shown[position == number]
            sums.add(found.user[found.row[at]], np.ones(len(at)), found.clicked[at])
        items = found.items.take(np.unique(found.item[shown]))
        self._items.update(items.to_pylist())
        new = np.zeros(len(which))
        trained_on = self._kept and self._kept.trained_on
        if trained_on is not None:
            is_new = ~pc.is_in(found.items, value_set=trained_on).to_numpy(False)
            new += np.bincount(found.row, is_new[found.item], len(which))
        for name, part in self._slices.items():
            wanted = (
                which & {ALL: True, KNOWN: lists.known, UNKNOWN: ~lists.known}[name]
            )
            part.add(found.user, lists, new, np.flatnonzero(wanted))

    def figures(
        self, version: tuple[int, str], has_conversions: bool
    ) -> VersionFigures | None:
        """Returns the figures; None without lists.

        Args:
            version: Number and model of the version.
            has_conversions: Whether some types of events are conversions.
        """
        if not self._slices[ALL].lists:
            return None
        kept = self._kept
        shown = [sums.rate() for sums in self._positions]
        while shown and shown[-1].value is None:
            shown.pop()
        catalogue = kept.catalogue if kept else None
        return VersionFigures(
            version=version[0],
            model=version[1],
            state=kept.state if kept else "removed",
            slices={
                name: part.figures(
                    has_conversions=has_conversions,
                    is_kept=kept is not None and kept.trained_on is not None,
                )
                for name, part in self._slices.items()
                if part.lists
            },
            positions=shown,
            items=len(self._items),
            coverage=len(self._items) / catalogue if catalogue else None,
        )
