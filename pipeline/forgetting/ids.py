"""The IDs to forget, and how they are found and replaced in text."""

import dataclasses
import functools
import html
import json
import re
from typing import Any

from trainer_modules import features as f

REPLACEMENT = "(forgotten)"
# Neither part of a longer word nor, except after an escape as in "\n", behind one.
_BEFORE, _AFTER = r"(?:(?<![\w-])|(?<=\\[nrt]))", r"(?![\w-])"


@dataclasses.dataclass(frozen=True)
class Ids:
    """The users and items to forget.

    Attributes:
        users: IDs of users.
        items: IDs of items.
    """

    users: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()

    @property
    def by_column(self) -> dict[str, frozenset[str]]:
        """The IDs, by the name of their column."""
        return {f.USER_ID: self.users, f.ITEM_ID: self.items}

    def are_in(self, text: str) -> bool:
        """Returns whether a text contains one of the IDs as a word."""
        return self._pattern.search(text) is not None

    def replaced(self, text: str) -> str:
        """Returns a text with a placeholder in place of the IDs."""
        return self._pattern.sub(REPLACEMENT, text)

    def replaced_in(self, value: Any) -> Any:
        """Returns a value of JSON, in whose texts and keys the IDs are replaced."""
        if isinstance(value, str):
            return self.replaced(value)
        if isinstance(value, dict):
            return {self.replaced(key): self.replaced_in(v) for key, v in value.items()}
        if isinstance(value, list):
            return [self.replaced_in(member) for member in value]
        return value

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = {
            form
            for text in (*self.users, *self.items)
            for form in (
                *(text, html.escape(text), json.dumps(text)[1:-1]),
                json.dumps(text, ensure_ascii=False)[1:-1],
            )
        }
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        return re.compile(
            f"{_BEFORE}(?:{'|'.join(map(re.escape, longest_first))}){_AFTER}"
        )
