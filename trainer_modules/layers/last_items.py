"""Cuts the newest items from histories."""

import tensorflow as tf

from trainer_modules import features as f


def last_items(history: tf.Tensor, length: int) -> tf.Tensor:
    """Returns each user's newest items.

    For example, the histories [[5, 7, 9], [4, 0, 0]] give [[7, 9], [0, 4]] for a length
    of 2.

    Args:
        history: Indices of the items, [B, H], oldest first, padded with 0 at the end.
        length: L, how many items to return.

    Returns:
        Indices, [B, L], the newest in the last column; shorter histories are padded
        with 0 in front.
    """
    return last_values(history, history, length)


def last_values(history: tf.Tensor, values: tf.Tensor, length: int) -> tf.Tensor:
    """Returns the values [B, L] that belong to ``last_items``.

    Args:
        history: Indices of the items, as for ``last_items``.
        values: A value for each of them, [B, H], such as its time.
        length: L, how many values to return.
    """
    num_real = tf.math.count_nonzero(history != f.PADDING_INDEX, 1)  # [B]
    in_front = tf.pad(values, [[0, 0], [length, 0]])  # [B, L + H]
    columns = num_real[:, tf.newaxis] + tf.range(length, dtype=tf.int64)
    return tf.gather(in_front, columns, batch_dims=1)
