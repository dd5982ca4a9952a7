"""Recommendations of the live model for one user, with titles and reasons."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from components.catalogue_gen import read_catalogue
from components.exported_model import ExportedModel, Function
from components.live_models import versions
from pipeline.lineage import accepted_data
from pipeline.recommend.example_records import floats_of, ids_of, read_examples
from pipeline.recommend.item_titles import Titles
from pipeline.recommend.user_history import (
    Histories,
    History,
    check_inputs,
    files_of,
    liked_items,
    listed,
    recommend_inputs,
    user_of,
)
from trainer_modules import features as f

NUM_REASONS = 3


@dataclasses.dataclass(frozen=True)
class Reason:
    """A liked item that supports a recommended one.

    Attributes:
        item_id: ID of the liked item.
        title: Title of the liked item.
        users: Number of users who liked both items.
        cosine: That number divided by the geometric mean of the numbers of users who
            liked each item; 0 to 1.
    """

    item_id: str
    title: str
    users: int
    cosine: float


@dataclasses.dataclass(frozen=True)
class Recommended:
    """An item of a list."""

    item_id: str
    title: str
    score: float
    reasons: list[Reason]


@dataclasses.dataclass(frozen=True)
class Answer:
    """A user's list.

    Attributes:
        user: ID of the user.
        known: Whether the ratings contain the user.
        model: Name of the live model.
        version: Number of its version.
        rated: Number of items that the user has rated.
        liked: Titles of the liked items on which the list is based, newest last.
        items: The recommended items, best first.
    """

    user: str
    known: bool
    model: str
    version: int
    rated: int
    liked: list[str]
    items: list[Recommended]


def recommend(
    out: Path,
    user: str,
    k: int,
    likes: Sequence[str],
    why: bool,
    at: int | None = None,
) -> Answer:
    """Returns the live model's list for a user.

    Args:
        out: Folder of the runs. The user's ratings are read from the data with which
            the live version was accepted.
        user: ID of the user.
        k: Number of items.
        likes: IDs or titles of items that the user also likes.
        why: Whether to find liked items that support each recommended one.
        at: Time of the request, in seconds UTC; None for now. Items may be recommended
            again by then, and models read its context.

    Raises:
        VersionError: If no model is live, or its files are not those that were pushed.
        NoLineageError: If the data with which the version was accepted is missing.
        UnknownItemError: If a like matches no item, or more than one.
    """
    live = live_model(out)
    data = accepted_data(out, live)
    threshold = data.threshold
    titles = Titles(read_catalogue(str(data.catalogue)))
    files = files_of(str(data.examples))
    known = Histories(files, {user}).of(user)
    history = known.liking(titles.find(like) for like in likes)
    liked = history.liked(threshold)
    [chosen] = ask(load_recommend(live.folder), [user], [history], k, at)
    together: Counter[tuple[str, str]] = Counter()
    likers: Counter[str] = Counter()
    if why:
        # Read again rather than kept, so that not all ratings are in memory.
        records = _read_liked(files, threshold)
        likers, together = _count(records, {i for i, _ in chosen}, set(liked))
    return Answer(
        user=user,
        known=bool(known.items),
        model=live.model,
        version=live.number,
        rated=len(known.items),
        liked=[titles.of(item) for item in liked],
        items=[
            Recommended(
                item,
                titles.of(item),
                score,
                _reasons(item, liked, likers, together, titles),
            )
            for item, score in chosen
        ],
    )


def live_model(out: Path) -> versions.Version:
    """Returns the live version after verifying the checksums of its files.

    Raises:
        VersionError: If no model is live, or its files are not those that were pushed.
    """
    live = versions.live(out / "live")
    if live is None:
        raise versions.nothing_live(out)
    versions.verify(live.folder)
    return live


def load_recommend(folder: Path) -> Function:
    """Loads a version's ``recommend``.

    Raises:
        SignatureError: If its inputs are those of another release.
        HostileModelError: If the model does more than compute. It is not loaded.
    """
    recommend = ExportedModel(folder).function("recommend")
    check_inputs(recommend.inputs)
    return recommend


def ask(
    recommend: Function,
    users: Sequence[str],
    histories: Sequence[History],
    k: int,
    at: int | None = None,
) -> list[list[tuple[str, float]]]:
    """Returns for each user the k best items that may be on a list at a time."""
    answer = recommend(recommend_inputs(users, histories, k, recommend.inputs, at))
    rows = zip(answer["item_id"], answer["score"], strict=True)
    return [listed(items, scores) for items, scores in rows]


def _read_liked(
    files: Mapping[str, Sequence[str]], threshold: str
) -> Iterator[tuple[str, list[str]]]:
    """Yields the user and the liked items of each record."""
    for example in read_examples(itertools.chain(*files.values())):
        items = [item.decode() for item in ids_of(example, f.ITEM_ID)]
        ratings = floats_of(example, f.RATING)
        yield user_of(example), liked_items(items, ratings, threshold)


def _count(
    records: Iterable[tuple[str, list[str]]], recommended: set[str], liked: set[str]
) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Counts the users who like each item, and each recommended and liked pair."""
    by_user: dict[str, set[str]] = {}
    for user, items in records:
        by_user.setdefault(user, set()).update(items)
    likers: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for known in by_user.values():
        mine, theirs = known & liked, known & recommended
        likers.update(mine | theirs)
        # An item that was put into a cart is liked, and may be recommended.
        together.update(
            (item, like) for item in theirs for like in mine if item != like
        )
    return likers, together


def _reasons(
    item: str,
    liked: Sequence[str],
    likers: Counter[str],
    together: Counter[tuple[str, str]],
    titles: Titles,
) -> list[Reason]:
    reasons = [
        Reason(
            like,
            titles.of(like),
            together[item, like],
            together[item, like] / (likers[item] * likers[like]) ** 0.5,
        )
        for like in liked
        if together[item, like]
    ]
    return sorted(reasons, key=lambda reason: -reason.cosine)[:NUM_REASONS]
