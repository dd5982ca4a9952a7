"""Looks items up by title, without TensorFlow."""

import difflib
import functools
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainer_modules import features as f

# difflib takes 12 seconds for a million titles. It compares this many, which have the
# most in common with a text by some of its trigrams.
_COMPARED, _TRIGRAMS = 1000, 6


class UnknownItemError(LookupError):
    """The text matches no item, or more than one."""


class Titles:
    """The items and their titles."""

    def __init__(self, catalogue: pa.Table):
        rows = zip(
            catalogue[f.ITEM_ID].to_pylist(),
            catalogue["title"].to_pylist(),
            strict=True,
        )
        self._titles = {item: title or item for item, title in rows}
        self._by_title: dict[str, list[str]] = {}
        for item, title in self._titles.items():
            self._by_title.setdefault(title.casefold(), []).append(item)

    def __contains__(self, item_id: str) -> bool:
        """Returns whether the catalogue has an item."""
        return item_id in self._titles

    def of(self, item_id: str) -> str:
        """Returns the title of an item, or its ID if it has none."""
        return self._titles.get(item_id, item_id)

    def find(self, text: str) -> str:
        """Returns the ID of the item with this ID, title, or unique part of a title.

        Raises:
            UnknownItemError: If the text matches no item, or more than one; the message
                names similar ones.
        """
        if text in self._titles:
            return text
        wanted = text.casefold()
        parts = self._by_title.get(wanted) or self._having(
            self._texts.filter(pc.match_substring(self._texts, wanted)).to_pylist()
        )
        if len(parts) == 1:
            return parts[0]
        near = parts or self._having(self._close_to(wanted))
        candidates = "; ".join(f"{item} {self.of(item)}" for item in near[:5])
        raise UnknownItemError(
            f"{text!r} matches {'more than one item' if parts else 'no item'}"
            + (f". Name one by its ID: {candidates}" if candidates else "")
        )

    def _having(self, titles: Iterable[str]) -> list[str]:
        """Returns the IDs of the items that have one of some titles, casefolded."""
        return [item for title in titles for item in self._by_title[title]]

    @functools.cached_property
    def _texts(self) -> pa.StringArray:
        """The titles, casefolded, which Arrow searches faster than Python."""
        return pa.array(self._by_title, pa.string())

    def _close_to(self, wanted: str) -> list[str]:
        """Returns up to five titles, casefolded, that are similar to a text."""
        titles = self._texts
        if len(titles) > _COMPARED:
            starts = np.linspace(0, max(len(wanted) - 3, 0), _TRIGRAMS).astype(int)
            trigrams = {wanted[start : start + 3] for start in starts}
            shared = np.zeros(len(titles), np.float32)
            for trigram in trigrams:
                shared += np.asarray(pc.match_substring(titles, trigram))
            shared /= len(trigrams) + np.asarray(pc.utf8_length(titles))
            best = np.sort(np.argpartition(-shared, _COMPARED)[:_COMPARED])
            titles = titles.take(pa.array(best))
        return difflib.get_close_matches(wanted, titles.to_pylist(), 5)
