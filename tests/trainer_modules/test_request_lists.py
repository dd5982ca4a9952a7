"""Lists of requests: the times of a history, by hand."""

import pytest
import tensorflow as tf

from trainer_modules.request_lists import times_of

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
