"""What the live model recommends to a few users, beside what they liked."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.catalogue_gen import read_catalogue
from components.pusher import versions
from pipeline.recommending import ask
from pipeline.titles import Titles, choose, question
from trainer_modules import features as f
from trainer_modules.labels import label

ITEMS = 10
LIKED_SHOWN = 8
USERS_LOOKED_AT = 2048  # of the test split; more would be no better a choice
# Share of the users looked at who have rated less.
ACTIVITY = {"rated little": 0.1, "rated as most do": 0.5, "rated much": 0.9}


@dataclasses.dataclass(frozen=True)
class Example:
    """A user's list.

    Attributes:
      user: the id.
      activity: one of ``ACTIVITY``.
      rated: how many items.
      liked: titles of the last ones liked, the newest first.
      num_liked: how many there are.
      items: (title, score) of the live model's list, best first.
    """

    user: str
    activity: str
    rated: int
    liked: list[str]
    num_liked: int
    items: list[tuple[str, float]]


def examples(
    live_folder: Path, run: Mapping[str, Any], artifacts: Mapping[tuple[str, str], Path]
) -> list[Example]:
    """Asks the live model for the lists of three users, chosen by how much they rated.

    The same data gives the same users. None where nothing is live, or the run has no
    data to choose them from.

    Raises:
      VersionError: the live model's files are not those that were pushed.
    """
    live = versions.live(live_folder)
    records = artifacts.get(("RatingsExampleGen", "examples"))
    catalogue = artifacts.get(("CatalogueGen", "catalogue"))
    if live is None or records is None or catalogue is None:
        return []
    versions.verify(live.folder)
    titles = Titles(read_catalogue(str(catalogue)))
    users = sorted(
        _users(records, run["config"]["label"]["threshold"]),
        key=lambda user: (len(user[1]), user[0]),
    )
    if not users:
        return []
    recommend = tf.saved_model.load(str(live.folder)).signatures["recommend"]
    found = []
    for activity, share in ACTIVITY.items():
        user, rated, liked = users[int(share * len(users))]
        seen = set(rated)
        history, num_asked = question(seen, liked, [], ITEMS)
        chosen = choose(ask(recommend, user, history, num_asked), seen, ITEMS)
        found.append(
            Example(
                user,
                activity,
                len(rated),
                [titles.of(item) for item in reversed(liked[-LIKED_SHOWN:])],
                len(liked),
                [(titles.of(item), score) for item, score in chosen],
            )
        )
    return found


def _users(records: Path, threshold: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """User, rated and liked items, the oldest first, of the test split."""
    files = sorted(tf.io.gfile.glob(f"{records}/Split-{f.TEST_SPLIT}/*"))
    lists = {
        name: tf.io.RaggedFeature(kind)
        for name, kind in {
            f.HISTORY_ITEM_ID: tf.string,
            f.ITEM_ID: tf.string,
            f.HISTORY_RATING: tf.float32,
            f.RATING: tf.float32,
        }.items()
    }
    spec = {f.USER_ID: tf.io.FixedLenFeature([], tf.string), **lists}
    dataset = tf.data.TFRecordDataset(files, "GZIP").take(USERS_LOOKED_AT).batch(256)
    for batch in dataset.map(lambda record: tf.io.parse_example(record, spec)):
        items = tf.concat([batch[f.HISTORY_ITEM_ID], batch[f.ITEM_ID]], 1).to_list()
        ratings = tf.concat([batch[f.HISTORY_RATING], batch[f.RATING]], 1)
        likes = (label(ratings, threshold) == f.LIKED).to_list()
        for user, rated, liked in zip(
            batch[f.USER_ID].numpy(), items, likes, strict=True
        ):
            names = [item.decode() for item in rated]
            chosen = [n for n, like in zip(names, liked, strict=True) if like]
            yield user.decode(), names, chosen
