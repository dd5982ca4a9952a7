"""The rules of a version's lists, as batch, serving and a single list apply them."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from pipeline.recommend.user_history import Without
from trainer_modules import features as f
from trainer_modules.configs.list_rules import AGE_PATTERN, Rules
from trainer_modules.item_feed import FeedError, read_feed

UPDATE = "update_items"  # the signature


class FilterError(ValueError):
    """A filter, or an age, cannot be applied to a model's lists."""


def rules_of(folder: Path) -> Rules | None:
    """Returns the rules of the version in a folder; None if it has none."""
    card = json.loads((folder / f.CARD_FILE).read_text(encoding="utf-8"))
    return msgspec.convert(card.get("rules"), Rules | None)


class FeedNow(NamedTuple):
    """A version's feed as it is now.

    Attributes:
        inputs: Inputs of the version's ``update_items``; None if it has no feed, or if
            the feed cannot be used: then what was available when the version was
            trained remains in use.
        problem: Why the feed cannot be used, or that it is stale; "" if all is well.
    """

    inputs: Mapping[str, np.ndarray] | None = None
    problem: str = ""


def feed_now(folder: Path) -> FeedNow:
    """Reads the feed of the version in a folder."""
    rules = rules_of(folder)
    if rules is None or rules.feed is None:
        return FeedNow()
    try:
        rows = read_feed(rules.feed.path, rules)
    except FeedError as error:
        return FeedNow(
            None, f"lists have what was available when the model was trained: {error}"
        )
    return FeedNow(rows.inputs, rows.problem(rules.feed) or "")


def filter_pairs(rules: Rules | None, filters: Sequence[str]) -> list[str]:
    """Returns "field=value" for each "field:value" of a request.

    Raises:
        FilterError: If it is not of this form, or the model cannot filter by the field.
    """
    known = rules.fields if rules else []
    pairs = []
    for text in filters:
        field, colon, value = text.partition(":")
        if not (colon and field and value):
            raise FilterError(f"{text!r:.80}: expected field:value, as in genres:Drama")
        if field not in known:
            hint = f"choose from {', '.join(known)}" if known else "it has no filters"
            raise FilterError(
                f"the model's lists cannot be filtered by {field!r:.80}; {hint}"
            )
        pairs.append(f"{field}={value}")
    return pairs


def checked_age(rules: Rules | None, age: str | None) -> str:
    """Returns the age of a request; "" if it has none.

    Raises:
        FilterError: If it is not an age, or the model's rules have no minimum age.
    """
    if age is None:
        return ""
    if not re.fullmatch(AGE_PATTERN, age):
        raise FilterError(f"{age!r:.40}: expected an age, such as 12 or 12.5")
    if not (rules and rules.minimum_age):
        raise FilterError("the model's rules have no minimum age")
    return age


def why_short(rules: Rules | None, without: Without, num_items: int, k: int) -> str:
    """Returns why a list is shorter than requested; "" if it is not, or is full."""
    if num_items >= k:
        return ""
    causes = ["the filter"] * bool(without.filters)
    causes += ["the excluded items"] * bool(without.items)
    if rules:
        causes += [f"the limit on {limit.field}" for limit in rules.limits]
        blocks = rules.deny or rules.deny_values or rules.allow or rules.allow_values
        causes += ["the deny and allow lists"] * bool(blocks)
        causes += ["the feed"] * bool(rules.feed)
        causes += ["the minimum age"] * bool(rules.minimum_age)
    causes += ["the items that are not recommended again"]
    return f"{num_items} of {k} items; no other is left by {', '.join(causes)}"
