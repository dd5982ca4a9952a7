"""Recommendations of the live model for one user, with titles and reasons."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from components.catalogue_gen import read_catalogue
from components.exported_model import ExportedModel, Function
from components.live_models import versions
from pipeline.lineage import accepted_data
from pipeline.recommend.item_titles import Titles
from pipeline.recommend.likes import Reason
from pipeline.recommend.list_rules import (
    UPDATE,
    checked_age,
    feed_now,
    filter_pairs,
    rules_of,
    why_short,
)
from pipeline.recommend.user_history import (
    NOTHING,
    Histories,
    History,
    Without,
    check_inputs,
    files_of,
    listed,
    recommend_inputs,
)
from trainer_modules.item_feed import FeedError


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
        short: Why the list is shorter than requested; "" if it is not.
        feed_problem: Why the feed of available items is not in use, or that it is
            stale; "" if all is well.
    """

    user: str
    known: bool
    model: str
    version: int
    rated: int
    liked: list[str]
    items: list[Recommended]
    short: str = ""
    feed_problem: str = ""


def recommend(
    out: Path,
    user: str,
    k: int,
    likes: Sequence[str],
    why: bool,
    at: int | None = None,
    exclude: Sequence[str] = (),
    filters: Sequence[str] = (),
    age: str | None = None,
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
        exclude: IDs or titles of items that the list must not contain.
        filters: "field:value" texts. An item must have one of the values of each field.
        age: Age of the user for the minimum age of items; None for that of the data.

    Raises:
        VersionError: If no model is live, or its files are not those that were pushed.
        NoLineageError: If the data with which the version was accepted is missing.
        UnknownItemError: If a like matches no item, or more than one.
        FilterError: If the model's lists cannot be filtered so, or by an age.
        FeedError: If the feed leaves no item to list.
    """
    live = live_model(out)
    data = accepted_data(out, live)
    titles = Titles(read_catalogue(str(data.catalogue)))
    histories = Histories(files_of(str(data.examples)), None if why else {user})
    known = histories.of(user)
    history = known.liking(titles.find(like) for like in likes)
    liked = history.liked(data.threshold)
    rules = rules_of(live.folder)
    without = Without(
        [titles.find(item) for item in exclude],
        filter_pairs(rules, filters),
        checked_age(rules, age),
    )
    feed = feed_now(live.folder)
    model = load_recommend(live.folder, feed.inputs)
    [chosen] = ask(model, [user], [history], k, at, without)
    reasons: list[list[Reason]] = [[] for _ in chosen]
    if why:
        recommended = [item for item, _ in chosen]
        reasons = histories.likes(data.threshold).reasons(recommended, liked, titles)
    return Answer(
        user=user,
        known=bool(known.items),
        model=live.model,
        version=live.number,
        rated=len(known.items),
        liked=[titles.of(item) for item in liked],
        items=[
            Recommended(item, titles.of(item), score, supporting)
            for (item, score), supporting in zip(chosen, reasons, strict=True)
        ],
        short=why_short(rules, without, len(chosen), k),
        feed_problem=feed.problem,
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


def load_recommend(
    folder: Path, feed: Mapping[str, np.ndarray] | None = None
) -> Function:
    """Loads a version's ``recommend``, and applies its feed, as ``load_version`` does.

    Raises:
        SignatureError: If its inputs are those of another release.
    """
    recommend = load_version(folder, feed).function("recommend")
    check_inputs(recommend.inputs)
    return recommend


def load_version(
    folder: Path, feed: Mapping[str, np.ndarray] | None = None
) -> ExportedModel:
    """Loads a version, and applies its feed.

    Args:
        folder: Folder of the version.
        feed: Content of the version's feed (``feed_now``); None leaves what was
            available when it was trained.

    Raises:
        HostileModelError: If the model does more than compute. It is not loaded.
        FeedError: If the feed leaves no item to list.
    """
    model = ExportedModel(folder)
    if feed is not None and not model.function(UPDATE)(feed)["num_listed"]:
        raise FeedError(
            "the feed leaves no item to list; correct it, or remove it to list what "
            "was available when the model was trained"
        )
    return model


def ask(
    recommend: Function,
    users: Sequence[str],
    histories: Sequence[History],
    k: int,
    at: int | None = None,
    without: Without = NOTHING,
) -> list[list[tuple[str, float]]]:
    """Returns for each user the k best items that may be on a list at a time."""
    inputs = recommend_inputs(users, histories, k, recommend.inputs, at, without)
    answer = recommend(inputs)
    rows = zip(answer["item_id"], answer["score"], strict=True)
    return [listed(items, scores) for items, scores in rows]
