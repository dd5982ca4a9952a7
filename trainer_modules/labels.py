"""From stars to liked or not."""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.bounds import compare

EVERYTHING_POSITIVE = "all"


def label(
    rating: tf.RaggedTensor, threshold: str, negative: str | None = None
) -> tf.RaggedTensor:
    """1 (liked) where a rating passes the threshold, 0 (not) where it is negative.

    Without ``negative`` that is all that is not liked; else what is neither is -1.

    Raises:
        ValueError: For a threshold that is none of ``all``, ``> x`` and ``>= x``, and a
            ``negative`` that is none of ``< x`` and ``<= x``.
    """
    if threshold == EVERYTHING_POSITIVE:
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
