"""Lists of requests: the times of a history, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.request_lists import times_of, values_of

ITEMS = tf.ragged.constant([[3, 4, 5], [6], []], dtype=tf.int64)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([[7, 8, 9], [5], []], [[7, 8, 9], [5], []]),  # all known
        ([[7, 8], [5], []], [[7, 8, 8], [5], []]),  # not the newest
        ([[0, 8, 7], [], []], [[8, 8, 7], [0], []]),  # nor the oldest
        ([[], [], []], [[0, 0, 0], [0], []]),
        # More than items.
        ([[7, 8, 9, 11], [5, 12], [13]], [[7, 8, 9], [5], []]),
    ],
)
def test_an_item_without_a_time_is_as_new_as_the_newest(times, expected):
    found = times_of(ITEMS, tf.ragged.constant(times, dtype=tf.int64))
    # Behind the end of a list, a time belongs to no item.
    lengths = ITEMS.row_lengths().numpy()
    cut = [row[:n] for row, n in zip(found.numpy().tolist(), lengths, strict=True)]
    assert cut == expected


def test_nobody_and_empty_histories_have_no_times():
    nothing = tf.RaggedTensor.from_row_splits(
        tf.zeros([0], tf.int64), tf.zeros([4], tf.int64)
    )
    assert times_of(nothing, nothing).shape == [3, 0]


def test_numbers_of_a_request_are_parsed_and_other_texts_are_nan():
    pairs = [
        ["user_income=1.5", "user_in=7", "user_income=-2e3"],
        ["user_income=", *2 * [""]],
    ]
    found = values_of("user_income", tf.constant(pairs), tf.float32)
    np.testing.assert_equal(found.to_list(), [[1.5, -2000.0], [float("nan")]])
    odd = [["user_income=abc"], ["user_income=1,5"], ["user_income=1e999"]]
    found = values_of("user_income", tf.constant(odd), tf.float32).flat_values
    np.testing.assert_equal(np.isfinite(found), [False] * 3)
    texts = values_of("user_income", tf.constant(pairs), tf.string).to_list()
    assert texts == [[b"1.5", b"-2e3"], [b""]]
