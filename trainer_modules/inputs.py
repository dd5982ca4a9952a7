"""Transformed user records, as training and its eval metric want them."""

from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.interactions import Interactions

READ_BATCH = 512  # user records parsed at once


def records(file_patterns: Sequence[str], names: Iterable[str]) -> tf.data.Dataset:
    """Batches of user records: each named feature ragged [B, (N)] int64."""
    spec = {
        name: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64) for name in names
    }
    files = sorted(file for p in file_patterns for file in tf.io.gfile.glob(p))
    return (
        tf.data.TFRecordDataset(files, compression_type="GZIP")
        .batch(READ_BATCH)
        .map(lambda serialized: tf.io.parse_example(serialized, spec))
    )


def read_positives(
    file_patterns: Sequence[str], num_users: int, num_items: int
) -> Interactions:
    """Everything that was liked, from the targets of all records.

    Raises:
      ValueError: if nothing was.
    """
    users, items = [], []
    for batch in records(file_patterns, (f.USER_INDEX, f.ITEM_INDEX, f.LABEL)):
        liked = batch[f.LABEL].flat_values == 1
        user = tf.gather(
            batch[f.USER_INDEX].flat_values, batch[f.ITEM_INDEX].value_rowids()
        )
        users.append(tf.boolean_mask(user, liked).numpy().astype(np.int32))
        items.append(
            tf.boolean_mask(batch[f.ITEM_INDEX].flat_values, liked)
            .numpy()
            .astype(np.int32)
        )
    if not sum(map(len, users)):
        raise ValueError(
            f"no positive among the training ratings in {', '.join(file_patterns)}: "
            "lower label.threshold"
        )
    return Interactions.of(
        np.concatenate(users), np.concatenate(items), num_users, num_items
    )


def eval_users(file_patterns: Sequence[str], limit: int) -> tf.data.Dataset:
    """The first ``limit`` eval records; files are written in the order of a hash.

    Returns:
      Batches of ``user_index`` [B], ``history_item_index`` and ``history_label``
      [B, H], ``item_index`` (the targets) and ``label`` [B, T], padded with 0.
    """
    names = (
        f.USER_INDEX,
        f.ITEM_INDEX,
        f.LABEL,
        f.HISTORY_ITEM_INDEX,
        f.HISTORY_LABEL,
    )

    def dense(batch: dict[str, tf.RaggedTensor]) -> dict[str, tf.Tensor]:
        padded = {name: value.to_tensor() for name, value in batch.items()}
        return padded | {f.USER_INDEX: padded[f.USER_INDEX][:, 0]}

    return records(file_patterns, names).take(-(-limit // READ_BATCH)).map(dense)
