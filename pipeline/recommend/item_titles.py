"""Items by their titles; without TensorFlow."""

import difflib

import pyarrow as pa

from trainer_modules import features as f


class UnknownItemError(LookupError):
    """What a person says they like is no item, or several."""


class Titles:
    """The items by what people call them."""

    def __init__(self, catalogue: pa.Table):
        rows = zip(
            catalogue[f.ITEM_ID].to_pylist(),
            catalogue["title"].to_pylist(),
            strict=True,
        )
        self._titles = {item: title or item for item, title in rows}
        self._by_title = {title.casefold(): i for i, title in self._titles.items()}

    def of(self, item_id: str) -> str:
        """The title, or the id where there is none."""
        return self._titles.get(item_id, item_id)

    def find(self, text: str) -> str:
        """The id of the item that is meant: by id, by whole title, or by a part of it.

        Raises:
            UnknownItemError: It is none, or several; names those that come near.
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
        told = "; ".join(f"{item} {self.of(item)}" for item in near[:5])
        raise UnknownItemError(
            f"{text!r} is {'several items' if parts else 'no item'}"
            + (f": say which by its id: {told}" if told else "")
        )
