"""What the live model recommends to one user, in titles, and what speaks for it."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from components.catalogue_gen import read_catalogue
from components.pusher import versions
from pipeline import runs
from pipeline.rated import files_of, read_rated
from pipeline.titles import Titles, choose, question

NUM_REASONS = 3


@dataclasses.dataclass(frozen=True)
class Reason:
    """A liked item that speaks for a recommended one.

    Attributes:
      item_id: of the liked one.
      title: of it.
      users: how many liked both.
      cosine: that, over the root of the product of how many liked each; 0 to 1.
    """

    item_id: str
    title: str
    users: int
    cosine: float


@dataclasses.dataclass(frozen=True)
class Recommended:
    """A place on the list."""

    item_id: str
    title: str
    score: float
    reasons: list[Reason]


@dataclasses.dataclass(frozen=True)
class Answer:
    """A user's list.

    Attributes:
      user: the id that was asked for.
      known: whether the ratings at hand have any of the user.
      model: that answers.
      version: of it.
      rated: how many items the user has rated.
      liked: titles of what the list was made of, the newest last.
      items: the list, best first.
    """

    user: str
    known: bool
    model: str
    version: int
    rated: int
    liked: list[str]
    items: list[Recommended]


def recommend(out: Path, user: str, k: int, likes: Sequence[str], why: bool) -> Answer:
    """Asks the live model for a user's list.

    Args:
      out: folder of the runs; the newest run's ratings say what the user has rated.
      user: the id.
      k: how many items.
      likes: ids or titles of what the user likes besides.
      why: whether to look for liked items that speak for each.

    Raises:
      VersionError: nothing is live, or its files are not those that were pushed.
      RunNotFoundError: no run has finished.
      UnknownItemError: a like is no item, or several.
    """
    live = live_model(out)
    threshold = runs.read(out, None)["config"]["label"]["threshold"]
    examples, catalogue = runs.newest_data(out)
    titles = Titles(read_catalogue(str(catalogue)))
    liked: list[str] = []
    rated: set[str] = set()
    together: Counter[tuple[str, str]] = Counter()
    likers: Counter[str] = Counter()
    files = files_of(str(examples))
    for name, items, of_them in read_rated(files, threshold):
        if name == user:
            rated.update(items)
            liked += [i for i, like in zip(items, of_them, strict=True) if like]
    asked = [titles.find(like) for like in likes]
    liked, num_asked = question(rated, liked, asked, k)
    signature = tf.saved_model.load(str(live.folder)).signatures["recommend"]
    chosen = choose(ask(signature, user, liked, num_asked), rated, k)
    if why:
        # Read again, rather than kept: all ratings would be in memory.
        records = read_rated(files, threshold)
        likers, together = _count(records, {i for i, _ in chosen}, set(liked))
    return Answer(
        user=user,
        known=bool(rated),
        model=live.model,
        version=live.number,
        rated=len(rated),
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
    """The version that serves, its files compared with their checksums.

    Raises:
      VersionError: nothing is live, or its files are not those that were pushed.
    """
    live = versions.live(out / "live")
    if live is None:
        raise versions.nothing_live(out)
    versions.verify(live.folder)
    return live


def ask(
    signature: Callable[..., Mapping[str, tf.Tensor]],
    user: str,
    liked: Sequence[str],
    k: int,
) -> list[tuple[str, float]]:
    """A model's list by its ``recommend``, what is in ``liked`` left out."""
    answer = signature(
        user_id=tf.constant([user]),
        history_item_id=tf.constant([list(liked) or [""]]),
        k=tf.constant(k),
    )
    items, scores = answer["item_id"][0].numpy(), answer["score"][0].numpy()
    return [
        (item.decode(), float(score)) for item, score in zip(items, scores, strict=True)
    ]


def _count(
    records: Iterable[tuple[str, list[str], list[bool]]],
    recommended: set[str],
    liked: set[str],
) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """How many users like each item, and each pair of a recommended and a liked one."""
    by_user: dict[str, set[str]] = {}
    for user, items, likes in records:
        known = by_user.setdefault(user, set())
        known.update(i for i, like in zip(items, likes, strict=True) if like)
    likers: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for known in by_user.values():
        mine, theirs = known & liked, known & recommended
        likers.update(mine | theirs)
        together.update((item, like) for item in theirs for like in mine)
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
