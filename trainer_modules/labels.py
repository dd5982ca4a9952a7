"""Turns stars into labels: liked, disliked or neither."""

from collections.abc import Mapping

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.bounds import EVERYTHING_LIKED, compare


def label(
    rating: tf.RaggedTensor, threshold: str, negative: str | None = None
) -> tf.RaggedTensor:
    """Returns the labels of ratings.

    Args:
        rating: Stars, ragged [B, (N)].
        threshold: Which ratings are likes: ``all``, ``> x`` or ``>= x``.
        negative: Which ratings are dislikes: ``< x`` or ``<= x``; None for all that are
            not likes.

    Returns:
        1 for likes, 0 for dislikes and -1 for neither, ragged [B, (N)] int64.

    Raises:
        ValueError: If the threshold or ``negative`` has another form.
    """
    if threshold == EVERYTHING_LIKED:
        return tf.cast(tf.ones_like(rating), tf.int64)
    stars = rating.flat_values
    labels = tf.where(
        compare(stars, threshold, ">"),
        f.LIKED,
        f.DISLIKED
        if negative is None
        else tf.where(compare(stars, negative, "<"), f.DISLIKED, f.NEITHER),
    )
    return rating.with_flat_values(tf.cast(labels, tf.int64))


def label_of_targets(lists: Mapping[str, tf.RaggedTensor]) -> tf.RaggedTensor:
    """Returns the labels of the targets of eval or test, ragged [B, (N)].

    Args:
        lists: Transformed features, with ``judged`` if there are types of events: rows
            that are not judged have the label -1, as those that are neither liked nor
            disliked.
    """
    labels = lists[f.LABEL]
    if f.JUDGED not in lists:
        return labels
    neither = tf.cast(f.NEITHER, labels.dtype)
    is_judged = lists[f.JUDGED].flat_values == 1
    return labels.with_flat_values(tf.where(is_judged, labels.flat_values, neither))
