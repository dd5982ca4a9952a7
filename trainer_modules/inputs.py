"""Transformed user records, as training and its eval metric want them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.interactions import Interactions

READ_BATCH = 512  # user records parsed at once


@dataclasses.dataclass(frozen=True)
class Data:
    """What a Trainer is given.

    Attributes:
      train_files: patterns of the transformed ``train`` records.
      eval_files: the same of ``eval``.
      feature_spec: how to parse a record.
      num_users: rows of a user table, the reserved ones included.
      num_items: rows of an item table, the reserved ones included.
      num_unknown_items: items of the catalogue without a row of their own.
    """

    train_files: list[str]
    eval_files: list[str]
    feature_spec: Mapping[str, Any]
    num_users: int
    num_items: int
    num_unknown_items: int

    def records(self, file_patterns: Sequence[str], *names: str) -> tf.data.Dataset:
        """Batches of user records: ``user_index`` [B, 1], lists ragged [B, (N)]."""
        spec = {name: self.feature_spec[name] for name in names}
        files = sorted(file for p in file_patterns for file in tf.io.gfile.glob(p))
        return (
            tf.data.TFRecordDataset(files, compression_type="GZIP")
            .batch(READ_BATCH)
            .map(lambda serialized: tf.io.parse_example(serialized, spec))
        )


def read_positives(data: Data, file_patterns: Sequence[str]) -> Interactions:
    """Everything that was liked, from the targets of all records.

    Raises:
      ValueError: if nothing was.
    """
    users, items = [], []
    for batch in data.records(file_patterns, f.USER_INDEX, f.ITEM_INDEX, f.LABEL):
        liked = batch[f.LABEL].flat_values == 1
        user = tf.gather(batch[f.USER_INDEX][:, 0], batch[f.ITEM_INDEX].value_rowids())
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
        np.concatenate(users), np.concatenate(items), data.num_users, data.num_items
    )


def eval_users(data: Data, limit: int) -> tf.data.Dataset:
    """The first ``limit`` eval records; ExampleGen orders users by a hash.

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

    def dense(batch: dict[str, Any]) -> dict[str, tf.Tensor]:
        user = batch.pop(f.USER_INDEX)
        padded = {name: value.to_tensor() for name, value in batch.items()}
        return padded | {f.USER_INDEX: user[:, 0]}

    batches = data.records(data.eval_files, *names)
    return batches.take(-(-limit // READ_BATCH)).map(dense)
