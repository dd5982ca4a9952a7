"""Finds columns by the names that they usually have."""

import functools
import re
from collections.abc import Sequence

from trainer_modules import features

USER_ID, ITEM_ID = features.USER_ID, features.ITEM_ID
RATING, TIMESTAMP = features.RATING, features.TIMESTAMP
RATINGS_COLUMNS = (USER_ID, ITEM_ID, RATING, TIMESTAMP)

# Given as the column of ratings or of times: they are not read, whatever is there.
NOT_READ = "none"

# Header of the column that pandas writes for the rows' numbers.
PANDAS_INDEX = ("", "Unnamed: 0", "__index_level_0__")
# In place of the name of a column without one.
SAVED_ROW_NUMBERS = "the row numbers that pandas saved"

# Names that columns of published rating logs really have, without case and marks; the
# first is the exact one, and wins over the others.
ALIASES = {
    USER_ID: ("userid", "user", "uid", "customerid", "reviewerid", "visitorid"),
    ITEM_ID: (
        "itemid",
        "item",
        "iid",
        "movieid",
        "productid",
        "bookid",
        "asin",
        "isbn",
    ),
    RATING: ("rating", "ratings", "score", "stars", "overall", "bookrating"),
    TIMESTAMP: ("timestamp", "time", "ts", "unixtime", "unixreviewtime", "timestamps"),
}


@functools.lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """Returns a name without case and marks; ``:token`` is RecBole's suffix."""
    return re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower())


def match(meaning: str, names: Sequence[str], taken: Sequence[int] = ()) -> list[int]:
    """Returns the columns that may have a meaning.

    One is certain, none unknown, several ambiguous. Names that are exactly the
    meaning's win over those that are like it, and ``user_id`` over ``userId``.

    Args:
        meaning: One of ``RATINGS_COLUMNS``.
        names: Of all columns.
        taken: Columns that have another meaning.
    """
    free = [index for index in range(len(names)) if index not in taken]
    exact, *_ = ALIASES[meaning]
    for candidates in (
        [i for i in free if names[i].strip().split(":")[0] == meaning],
        [i for i in free if plain(names[i]) == exact],
    ):
        if candidates:
            return candidates
    return [i for i in free if plain(names[i]) in ALIASES[meaning]]
