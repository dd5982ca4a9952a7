"""Serialized tf.train.Examples, as RatingsExampleGen writes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf


def serialize(**lists: Sequence[bytes] | Sequence[float] | Sequence[int]) -> bytes:
    """Returns a serialized Example with one feature for each list."""
    named = {name: _feature(values) for name, values in lists.items()}
    features = tf.train.Features(feature=named)
    return tf.train.Example(features=features).SerializeToString()


def serialize_splits(items, stars, times, num_train, **known):
    """Returns a user's Examples: the first ratings to train with, the others for eval.

    Args:
        items: IDs of the items.
        stars: Their ratings.
        times: When they were rated, in seconds.
        num_train: How many of them are in the train split.
        **known: The user's id and side features.
    """
    rated = {
        "item_id": [item.encode() for item in items],
        "rating": list(stars),
        "timestamp": list(times),
    }
    first = {name: values[:num_train] for name, values in rated.items()}
    last = {name: values[num_train:] for name, values in rated.items()}
    history = {f"history_{name}": values for name, values in first.items()}
    return serialize(**first, **known), serialize(**last, **history, **known)


def _feature(values):
    if not values:
        return tf.train.Feature()
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def write_ratings(
    path: Path,
    rated: Mapping[str, Mapping[str, float]],
    times: Mapping[str, int] | None = None,
) -> None:
    """Writes one Example per user.

    Args:
        path: The TFRecord file; its folder is created.
        rated: User ID → item ID → stars.
        times: Item ID → when it was rated, in seconds; None for records without times.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for user, stars in rated.items():
            example = serialize(
                user_id=[user.encode()],
                item_id=[item.encode() for item in stars],
                rating=[float(value) for value in stars.values()],
                **(
                    {"timestamp": [times.get(item, 1) for item in stars]}
                    if times
                    else {}
                ),
            )
            writer.write(example)
