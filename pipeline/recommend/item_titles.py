"""Looks items up by title, without TensorFlow."""

import difflib

import pyarrow as pa

from trainer_modules import features as f


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
        self._by_title = {title.casefold(): i for i, title in self._titles.items()}

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
        by_title = self._by_title
        if wanted in by_title:
            return by_title[wanted]
        parts = [item for title, item in by_title.items() if wanted in title]
        if len(parts) == 1:
            return parts[0]
        near = parts or [
            by_title[title] for title in difflib.get_close_matches(wanted, by_title, 5)
        ]
        candidates = "; ".join(f"{item} {self.of(item)}" for item in near[:5])
        raise UnknownItemError(
            f"{text!r} matches {'more than one item' if parts else 'no item'}"
            + (f". Name one by its ID: {candidates}" if candidates else "")
        )
