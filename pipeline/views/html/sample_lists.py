"""Lists of the live model for a few users, with the items that they liked."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

from components.catalogue_gen import read_catalogue
from components.live_models import versions
from pipeline.lineage import accepted_data
from pipeline.recommend.example_records import ids_of, read_examples
from pipeline.recommend.item_titles import Titles
from pipeline.recommend.list_rules import feed_now
from pipeline.recommend.one_user import ask, load_recommend
from pipeline.recommend.user_history import Histories, files_of, user_of
from trainer_modules import features as f
from trainer_modules.item_feed import FeedError

ITEMS = 10
LIKED_SHOWN = 8
USERS_LOOKED_AT = 2048  # of the test split; more would not improve the choice
# Activity → share of these users who have rated less.
ACTIVITY = {"rated little": 0.1, "rated as most do": 0.5, "rated much": 0.9}


@dataclasses.dataclass(frozen=True)
class Example:
    """A user's list.

    Attributes:
        user: ID of the user.
        activity: A key of ``ACTIVITY``.
        rated: Number of items that the user rated.
        liked: Titles of the items liked last, the newest first.
        num_liked: Number of items that the user liked.
        items: The live model's list as (title, score), best first.
    """

    user: str
    activity: str
    rated: int
    liked: list[str]
    num_liked: int
    items: list[tuple[str, float]]


def examples(out: Path) -> list[Example]:
    """Returns the live model's lists for three users, chosen by how much they rated.

    The users are from the data that the live version was accepted with: a run that was
    refused does not affect what is served. The same data gives the same users. The
    result is empty if nothing is live.

    Raises:
        VersionError: If the live model's files changed since they were pushed.
        NoLineageError: If the data that the live version was accepted with is missing.
    """
    live = versions.live(out / "live")
    if live is None:
        return []
    versions.verify(live.folder)
    data = accepted_data(out, live)
    titles = Titles(read_catalogue(str(data.catalogue)))
    users = sorted((rated, user) for user, rated in _users(data.examples))
    if not users:
        return []
    chosen = {a: users[int(share * len(users))][1] for a, share in ACTIVITY.items()}
    histories = Histories(files_of(str(data.examples)), set(chosen.values()))
    known = [histories.of(user) for user in chosen.values()]
    try:
        model = load_recommend(live.folder, feed_now(live.folder).inputs)
    except FeedError:  # the run has reported it
        model = load_recommend(live.folder)
    lists = ask(model, list(chosen.values()), known, ITEMS)
    found = []
    for (activity, user), history, items in zip(
        chosen.items(), known, lists, strict=True
    ):
        liked = history.liked(data.threshold)
        found.append(
            Example(
                user,
                activity,
                len(history.items),
                [titles.of(item) for item in reversed(liked[-LIKED_SHOWN:])],
                len(liked),
                [(titles.of(item), score) for item, score in items],
            )
        )
    return found


def _users(records: Path) -> Iterator[tuple[str, int]]:
    """Yields users of the test split, and the number of items that each rated."""
    files = files_of(str(records))[f.TEST_SPLIT]
    for example in itertools.islice(read_examples(files), USERS_LOOKED_AT):
        rated = (ids_of(example, name) for name in (f.HISTORY_ITEM_ID, f.ITEM_ID))
        yield user_of(example), sum(map(len, rated))
