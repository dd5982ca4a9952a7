"""Makes categories of numbers, times, texts and ids: the buckets they are in."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer_modules import features as f

# Words of a text that are read: each is a column in the table of the feature's values.
MAX_WORDS = 64
# In RE2's syntax, everything between words of letters and digits of any script.
_NO_WORD = r"[^\pL\pM\pN]+"

Boundaries = Callable[[tf.Tensor, int], tf.Tensor]
"""Numbers [N], and a number of buckets K → where buckets 1 to K - 1 begin, [K - 1]."""


def in_buckets(
    values: tf.RaggedTensor, kind: f.Kind, boundaries: Boundaries
) -> tf.RaggedTensor:
    """Returns the buckets of a side feature's values as categories, such as "bucket 3".

    Users' features become categories in the transform graph, those of items where their
    tables are made, both by this function.

    Args:
        values: Values of the users or items, [B, (N)]: float32 if they are numbers or
            times, else text.
        kind: What the values mean.
        boundaries: Finds the boundaries between the buckets of numbers.

    Returns:
        Categories, [B, (M)]. A number that is equal to a boundary is in the upper
        bucket; one that is not finite, which only a request may contain, counts as
        missing. A text has the bucket of each of its first ``MAX_WORDS`` words.
    """
    if kind.has_numbers:
        values = tf.ragged.boolean_mask(values, tf.math.is_finite(values))
        numbers = values.flat_values
        begins = boundaries(numbers, kind.size)
        bucket = tf.searchsorted(begins, numbers, side="right")
    else:
        values = words(values) if kind.name == f.TEXT else values
        bucket = tf.strings.to_hash_bucket_fast(values.flat_values, kind.size)
    names = tf.strings.join(["bucket ", tf.strings.as_string(bucket)])
    return values.with_flat_values(names)


def words(texts: tf.RaggedTensor) -> tf.RaggedTensor:
    """Returns the words of texts [B, (N)] in lower case, [B, (M)], at most 64 each."""
    lower = tf.strings.lower(texts.flat_values, encoding="utf-8")
    plain = tf.strings.regex_replace(lower, _NO_WORD, " ")
    by_text = texts.with_flat_values(tf.strings.split(plain))  # [B, (N), (words)]
    return by_text.merge_dims(1, 2)[:, :MAX_WORDS]


def quantiles(numbers: tf.Tensor, buckets: int) -> tf.Tensor:
    """Returns boundaries between buckets with the same number of numbers each.

    As ``tft.quantiles`` does, it takes the k N / K-th smallest of N numbers, rounded
    down, for the boundary k of K buckets.

    Returns:
        Boundaries, [K - 1] ascending; several are equal if a number is frequent.
        Without numbers, there are none.
    """
    if not len(numbers):
        return tf.zeros([0], numbers.dtype)
    places = np.arange(1, buckets) * len(numbers) // buckets
    return tf.gather(tf.sort(numbers), places)
