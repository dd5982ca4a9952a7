"""Recognises the files that describe items and users by their names.

Examples: ``items.csv``, ``movies.dat``, ``BX-Users.csv``, ``toy.item`` (RecBole), in
the folder of the ratings or beside a single file of them. No file is opened here.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.ratings_example_gen.input_errors import AMBIGUOUS_FILES, fatal
from trainer_modules import features

if TYPE_CHECKING:
    from components.ratings_example_gen.parts import Part

NONE = "none"  # Stated instead of a path: no file is used.
# Endings of tables that can be read.
SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".dat", ".data", ".parquet"),
    *(".jsonl", ".ndjson", ".json"),
)
# Names of files that hold neither ratings nor anything else that is read.
_OTHER = re.compile(
    r"(tags?|links?|genome-\w+|readme)\.|u\.(genre|occupation|info)$", re.I
)
# "BX-Books", "items_2024" and "item_metadata" describe items; "order_items" and
# "user_items" are logs.
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
        prefix: Prefix of the features' names.
        suffix: Ending of RecBole's files.
        nouns: Words for such things in file names and headers.
        has_titles: Whether one column is a title for people to read.
    """

    name: str
    id_column: str
    prefix: str
    suffix: str
    nouns: frozenset[str]
    has_titles: bool = False

    @property
    def one(self) -> str:
        """The singular of the name: ``item`` or ``user``."""
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
    """Returns whether a file's name means that it holds users, items or tags."""
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
    """Returns the file of a kind among some files; None if there is none.

    A RecBole file with the stem of the ratings is preferred, then ``items``, then a
    single other word for items (``movies``), then a longer name (``BX-Books``).

    Args:
        kind: What the file describes.
        parts: Files to search.
        ratings: Those of them that hold ratings.
        is_log: Returns whether a file's header shows that it logs what users did.

    Raises:
        BadInputError: If several files fit equally well.
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
            f"Name the one to read (data.{kind.name}=PATH), or use none of them "
            f"(data.{kind.name}=none).",
        )
    return found[0] if found else None


def _stem(base_name: str) -> str:
    return os.path.splitext(base_name)[0]


def _rank(base_name: str, kind: Kind, stems: Sequence[str]) -> int | None:
    """Returns how well a name fits, with 0 best; None if it does not fit."""
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
    return any(
        word in other.nouns or word.rstrip("s") in other.nouns for other in kinds
    )
