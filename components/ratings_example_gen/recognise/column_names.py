"""Finds columns by their usual names."""

import functools
import re
from collections.abc import Sequence

from trainer_modules import features

USER_ID, ITEM_ID = features.USER_ID, features.ITEM_ID
RATING, TIMESTAMP = features.RATING, features.TIMESTAMP
EVENT_TYPE = features.EVENT_TYPE
RATINGS_COLUMNS = (USER_ID, ITEM_ID, RATING, TIMESTAMP)  # in the usual order
ALL_COLUMNS = (*RATINGS_COLUMNS, EVENT_TYPE)

# Stated in place of a column of ratings or times: no such column is read.
NOT_READ = "none"

# Headers that pandas writes for a column of row numbers.
PANDAS_INDEX = ("", "Unnamed: 0", "__index_level_0__")
# Shown in place of the name of such a column.
SAVED_ROW_NUMBERS = "the row numbers that pandas saved"

# Names of columns in published rating logs, in lower case and without punctuation. The
# first one is exact, and takes precedence over the others.
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
    EVENT_TYPE: (
        *("eventtype", "event", "eventname", "behavior", "behaviour", "behaviortype"),
        *("behaviourtype", "action", "actiontype", "interaction", "interactiontype"),
    ),
}


@functools.lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """Returns a name without case, punctuation and RecBole's suffix (``:token``)."""
    return re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower())


def match(meaning: str, names: Sequence[str], taken: Sequence[int] = ()) -> list[int]:
    """Returns the columns that may have a meaning: several if it is ambiguous.

    Names that equal the meaning take precedence over similar ones, and ``user_id`` over
    ``userId``.

    Args:
        meaning: One of ``ALL_COLUMNS``.
        names: Names of all columns.
        taken: 0-based columns that have another meaning.
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
