"""Recognises the files that describe items and users, by their names.

``items.csv``, ``movies.dat``, ``BX-Users.csv``, ``toy.item`` (RecBole) … lie in the
folder of the ratings or beside a single file of them. Nothing is opened here.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.ratings_example_gen.input_errors import AMBIGUOUS_FILES, fatal
from trainer_modules import features

if TYPE_CHECKING:
    from components.ratings_example_gen.recognise.parts import Part

NONE = "none"  # instead of a path: no such file, whatever lies there
# Of tables that can be read.
SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".dat", ".data", ".parquet"),
    *(".jsonl", ".ndjson", ".json"),
)
# What a file is called that holds neither ratings nor anything that is read.
_OTHER = re.compile(
    r"(tags?|links?|genome-\w+|readme)\.|u\.(genre|occupation|info)$", re.I
)
# "BX-Books", "items_2024" and "item_metadata" describe items; "order_items" and
# "user_items" are logs of them.
_LOGS = {
    *("rating", "ratings", "review", "reviews", "event", "events", "log", "logs"),
    *("interaction", "interactions", "click", "clicks", "view", "views", "order"),
    *("orders", "purchase", "purchases", "transaction", "transactions", "session"),
    *("sessions", "cart", "basket", "train", "test", "valid", "validation"),
}
_DESCRIPTIONS = {"features", "metadata", "meta", "info", "attributes", "details"}


@dataclass(frozen=True)
class Kind:
    """What a file of side features describes.

    Attributes:
        name: ``items`` or ``users``, as in ``data.items``.
        id_column: Name of the feature that holds the id.
        prefix: Of the features' names.
        suffix: Of RecBole's files.
        nouns: What such things are called, in file names and headers.
        has_titles: Whether one column is a name for people to read.
    """

    name: str
    id_column: str
    prefix: str
    suffix: str
    nouns: frozenset[str]
    has_titles: bool = False

    @property
    def one(self) -> str:
        """One of them: ``item`` or ``user``."""
        return self.name.removesuffix("s")


ITEMS = Kind(
    "items",
    features.ITEM_ID,
    features.ITEM_FEATURE_PREFIX,
    ".item",
    frozenset({"item", "movie", "book", "product", "article", "song", "game"}),
    has_titles=True,
)
USERS = Kind(
    "users",
    features.USER_ID,
    features.USER_FEATURE_PREFIX,
    ".user",
    frozenset({"user", "customer", "member", "reader", "visitor"}),
)
KINDS = (ITEMS, USERS)


def holds_no_ratings(path: str) -> bool:
    """Whether a file's name says that it holds users, items or tags, not ratings."""
    base_name = os.path.basename(path).lower().removesuffix(".gz")
    return bool(_OTHER.match(base_name)) or any(
        _rank(base_name, kind, ()) is not None for kind in KINDS
    )


def find(
    kind: Kind,
    parts: Sequence["Part"],
    ratings: Sequence["Part"],
    is_log: Callable[["Part"], bool] | None = None,
) -> "Part | None":
    """Returns the file of a kind among some files; None where there is none.

    A RecBole file of the same stem as the ratings' comes first, then ``items``, then
    another name for items alone (``movies``), then a longer name (``BX-Books``).

    Args:
        kind: What the file describes.
        parts: Those to look among.
        ratings: Those that hold ratings.
        is_log: Whether a file with a fitting name holds what users did, by its header.

    Raises:
        BadInputError: When several files fit equally well.
    """
    taken = {part.name for part in ratings}
    stems = tuple(_stem(part.base_name) for part in ratings)
    by_rank: dict[int, list[Part]] = {}
    for part in parts:
        rank = _rank(part.base_name, kind, stems)
        if rank is None or part.name in taken:
            continue
        if is_log is None or not is_log(part):
            by_rank.setdefault(rank, []).append(part)
    found = by_rank[min(by_rank)] if by_rank else []
    if len(found) > 1:
        names = " and ".join(part.name for part in found[:3])
        raise fatal(
            found[0].name,
            AMBIGUOUS_FILES,
            f"{len(found)} files may describe the {kind.name}: {names}",
            f"Name the one to read (data.{kind.name}=PATH), or none of them "
            f"(data.{kind.name}=none).",
        )
    return found[0] if found else None


def _stem(base_name: str) -> str:
    return os.path.splitext(base_name)[0]


def _rank(base_name: str, kind: Kind, stems: Sequence[str]) -> int | None:
    """How well a name fits, 0 best; None where it does not."""
    stem, suffix = os.path.splitext(base_name)
    if suffix == kind.suffix:
        return 0 if stem in stems else 1
    if suffix not in SUFFIXES:
        return None
    if stem == kind.name:
        return 1
    words = [word for word in re.split(r"[\W\d_]+", stem) if word]
    while words and words[-1] in _DESCRIPTIONS:
        words.pop()
    if not words or _LOGS.intersection(words):
        return None
    nouns = [word for word in words if _is_noun(word)]
    if len(nouns) != 1 or not _is_noun(words[-1], kind):
        return None
    return 2 if len(words) == 1 else 3


def _is_noun(word: str, kind: Kind | None = None) -> bool:
    kinds = [kind] if kind else KINDS
    return any(word in each.nouns or word.rstrip("s") in each.nouns for each in kinds)
