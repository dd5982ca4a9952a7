"""What production will ask, of this data's own users and items."""

from collections.abc import Sequence

import tensorflow as tf

from components.catalogue_gen import read_catalogue
from components.infra_check.check import Questions
from trainer_modules import features as f

NOBODY = "somebody who is in no log"
NOTHING = "something that is in no catalogue"
FEW, MANY = 10, 1000  # candidates


def questions(example_files: Sequence[str], catalogue: str) -> Questions:
    """Known and unknown, empty and many.

    Args:
        example_files: Of raw Examples, of which the first is the known user.
        catalogue: Folder of the artifact; its items are asked about, again and again
            where there are fewer than asked for.

    Raises:
        ValueError: If there is no user or no item to ask about.
    """
    user, history = _known_user(example_files)
    item_ids = read_catalogue(catalogue)[f.ITEM_ID].to_pylist()
    if not item_ids:
        raise ValueError(f"{catalogue} has no item to ask about")
    few = item_ids[:FEW]
    many = (item_ids * (MANY // len(item_ids) + 1))[:MANY]
    return {
        "known user": {"user": [user], "history": history, "candidates": few},
        "unknown user": {"user": [NOBODY], "history": history, "candidates": few},
        "unknown item": {
            "user": [user],
            "history": [*history, NOTHING],
            "candidates": [NOTHING],
        },
        "empty history": {"user": [user], "history": [], "candidates": few},
        "1,000 candidates": {"user": [user], "history": history, "candidates": many},
        "a list": {"user": [user], "history": history},
        "a list for nobody": {"user": [NOBODY], "history": []},
    }


def _known_user(example_files: Sequence[str]) -> tuple[str, list[str]]:
    for file in example_files:
        records = tf.data.TFRecordDataset(file, compression_type="GZIP")
        for record in records.take(1).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            [user] = features[f.USER_ID].bytes_list.value
            history = features[f.HISTORY_ITEM_ID].bytes_list.value
            return user.decode(), [item.decode() for item in history]
    raise ValueError(f"there is no user to ask about in {', '.join(example_files)}")
