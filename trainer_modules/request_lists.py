"""Brings the lists of a request or a record into the form that the model reads."""

import re
from collections.abc import Mapping

import tensorflow as tf

from trainer_modules import features as f

_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_TO_THE_END = 1 << 30  # bytes


def fitted(
    items: tf.RaggedTensor, values: tf.RaggedTensor, missing: float | int | str
) -> tf.RaggedTensor:
    """Returns one value for each item.

    Args:
        items: Lists of items, [B, (N)].
        values: Values of the first items, [B, (M)]; more than N are cut off.
        missing: The value of items without one.

    Returns:
        Values, [B, (N)].
    """
    length = items.row_lengths()
    num_missing = tf.reduce_max(length) - values.bounding_shape(axis=1)
    dense = tf.pad(
        values.to_tensor(missing),
        [[0, 0], [0, tf.maximum(num_missing, 0)]],
        constant_values=missing,
    )
    return tf.RaggedTensor.from_tensor(dense, length)


def times_of(items: tf.RaggedTensor, times: tf.RaggedTensor) -> tf.Tensor:
    """Returns when each item was rated.

    An item without a time counts as rated at the newest known time of its list, such as
    one that was liked a moment ago; without any known time, all have the same.

    Args:
        items: Lists of items, [B, (N)].
        times: Seconds UTC of the first items, [B, (M)]; 0 if unknown.

    Returns:
        Seconds UTC, [B, N].
    """
    time = fitted(items, times, 0).to_tensor()
    newest = tf.reduce_max(time, 1, keepdims=True)
    return tf.where(time == 0, newest, time)


def weights_of(transformed: Mapping[str, tf.RaggedTensor]) -> tf.Tensor:
    """Returns how much each row of a history counts, [B, H] float32, padded with 0.

    Without types of events, each counts 1.
    """
    history = transformed[f.HISTORY_ITEM_INDEX]
    ones = history.with_flat_values(tf.ones_like(history.flat_values, tf.float32))
    return transformed.get(f.HISTORY_WEIGHT, ones).to_tensor()


def values_of(name: str, pairs: tf.Tensor, dtype: tf.DType) -> tf.RaggedTensor:
    """Returns the values [B, (M)] of one side feature among "name=value" [B, N].

    For a numeric feature, a text that is not a number becomes NaN: an error would also
    fail the requests of others that are answered in the same call.
    """
    has_name = tf.strings.regex_full_match(pairs, f"{re.escape(name)}=(?s:.*)")
    values = tf.ragged.boolean_mask(pairs, has_name)
    texts = tf.strings.substr(values.flat_values, len(f"{name}=".encode()), _TO_THE_END)
    if dtype != tf.string:
        is_number = tf.strings.regex_full_match(texts, _NUMBER)
        texts = tf.strings.to_number(tf.where(is_number, texts, "nan"), dtype)
    return values.with_flat_values(texts)


def given_or_known(given: tf.Tensor, known: tf.Tensor, field: tf.Tensor) -> tf.Tensor:
    """Returns the values that a request gives, or else those from training.

    Args:
        given: Indices or weights of the request's values, [B, L], padded with 0; or
            vectors.
        known: The same of those from training, [B, M], padded with 0.
        field: The request's indices or vectors, [B, L]; those of a user are given if
            one of these numbers is not 0.

    Returns:
        Indices, weights or vectors, [B, max(L, M)], padded with 0.
    """
    width = tf.maximum(tf.shape(given)[1], tf.shape(known)[1])
    given, known = (
        tf.pad(values, [[0, 0], [0, width - tf.shape(values)[1]]])
        for values in (given, known)
    )
    is_given = tf.reduce_any(
        field != tf.cast(f.PADDING_INDEX, field.dtype), 1, keepdims=True
    )
    return tf.where(is_given, given, known)
