"""Transformed records of ratings given as indices, without side features."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tests.support.examples import serialize
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.sizes import Sizes

Ratings = Sequence[tuple[int, int, float]]  # (item index, label, stars)


def write_transformed_log(
    folder: Path,
    spec: Mapping[str, Any],
    train: Mapping[int, Ratings],
    held_out: Mapping[int, Ratings],
    sizes: Sizes,
    num_unknown_items: int = 0,
    reads_times: bool = False,
) -> Data:
    """Writes the records of both splits.

    Args:
        folder: An empty folder.
        spec: The transformed feature spec.
        train: User index → training ratings, which are the history in eval.
        held_out: User index → eval ratings.
        sizes: Rows of the user and the item table.
        num_unknown_items: Items of the catalogue that the vocabulary lacks.
        reads_times: Whether a model is to read the times, which the records lack.
    """
    records = {
        f.TRAIN_SPLIT: [
            _record(spec, user, rated, []) for user, rated in train.items()
        ],
        f.EVAL_SPLIT: [
            _record(spec, user, targets, train.get(user, []))
            for user, targets in held_out.items()
        ],
    }
    for split, serialized in records.items():
        with tf.io.TFRecordWriter(str(folder / split), "GZIP") as writer:
            for record in serialized:
                writer.write(record)
    paths = ([str(folder / split)] for split in (f.TRAIN_SPLIT, f.EVAL_SPLIT))
    return Data(*paths, spec, sizes, num_unknown_items, reads_times=reads_times)


def _record(
    spec: Mapping[str, Any], user: int, targets: Ratings, history: Ratings
) -> bytes:
    lists = {
        f.ITEM_INDEX: [item for item, _, _ in targets],
        f.LABEL: [label for _, label, _ in targets],
        f.RATING: [stars for _, _, stars in targets],
        f.HISTORY_ITEM_INDEX: [item for item, _, _ in history],
        f.HISTORY_LABEL: [label for _, label, _ in history],
    }
    # Without times, as from a log that has none.
    named = {spec[name].value_key: values for name, values in lists.items()}
    return serialize(**{f.USER_INDEX: [user]}, **named)
