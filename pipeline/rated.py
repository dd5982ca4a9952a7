"""What users have rated and liked, as ``RatingsExampleGen`` wrote it."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.labels import label

RECORDS_AT_ONCE = 512


def files_of(examples: str) -> list[str]:
    """The files of all splits, those of the oldest ratings first."""
    return [
        path
        for split in f.SPLITS
        for path in sorted(tf.io.gfile.glob(f"{examples}/Split-{split}/*"))
    ]


def read_batches(
    files: Sequence[str], threshold: str
) -> Iterator[tuple[np.ndarray, tf.RaggedTensor, tf.RaggedTensor]]:
    """Users [B], items they rated [B, N] and whether they are liked.

    A user is in one record of each split at most, and a rating in one split only.

    Args:
      files: some of ``files_of``.
      threshold: what is liked, as ``label.threshold`` has it.
    """
    spec = {
        f.USER_ID: tf.io.FixedLenFeature([], tf.string),
        f.ITEM_ID: tf.io.RaggedFeature(tf.string),
        f.RATING: tf.io.RaggedFeature(tf.float32),
    }
    records = tf.data.TFRecordDataset(list(files), "GZIP").batch(RECORDS_AT_ONCE)
    for batch in records.map(lambda r: tf.io.parse_example(r, spec)):
        likes = label(batch[f.RATING], threshold) == 1
        yield batch[f.USER_ID].numpy(), batch[f.ITEM_ID], likes


def read_rated(
    files: Sequence[str], threshold: str
) -> Iterator[tuple[str, list[str], list[bool]]]:
    """The same record by record: user, items rated and whether they are liked."""
    for users, items, likes in read_batches(files, threshold):
        for user, of_user, liked in zip(
            users, items.to_list(), likes.to_list(), strict=True
        ):
            yield user.decode(), [item.decode() for item in of_user], liked
