"""From stars to liked or not."""

import operator
import re

import tensorflow as tf

from trainer_modules import features as f

EVERYTHING_POSITIVE = "all"
_COMPARISONS = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_THRESHOLD = re.compile(r"([<>]=?)\s*(-?\d+(?:\.\d+)?)")


def label(
    rating: tf.RaggedTensor, threshold: str, negative: str | None = None
) -> tf.RaggedTensor:
    """1 (liked) where a rating passes the threshold, 0 (not) where it is negative.

    Without ``negative`` that is all that is not liked; else what is neither is -1.

    Raises:
      ValueError: for a threshold that is none of ``all``, ``> x`` and ``>= x``, and a
        ``negative`` that is none of ``< x`` and ``<= x``.
    """
    if threshold == EVERYTHING_POSITIVE:
        return tf.cast(tf.ones_like(rating), tf.int64)
    stars = rating.flat_values
    labels = tf.where(
        _compare(stars, threshold, ">"),
        f.LIKED,
        f.DISLIKED
        if negative is None
        else tf.where(_compare(stars, negative, "<"), f.DISLIKED, f.NEITHER),
    )
    return rating.with_flat_values(tf.cast(labels, tf.int64))


def _compare(stars: tf.Tensor, bound: str, sign: str) -> tf.Tensor:
    match = _THRESHOLD.fullmatch(bound)
    if not match or not match[1].startswith(sign):
        others = "'all', " if sign == ">" else ""
        raise ValueError(
            f"label bound {bound!r}: expected {others}'{sign} x' or '{sign}= x'"
        )
    return _COMPARISONS[match[1]](stars, float(match[2]))
