"""The end of a history."""

import tensorflow as tf

from trainer_modules import features as f


def last_items(history: tf.Tensor, length: int) -> tf.Tensor:
    """Takes each user's newest items.

    Args:
        history: [B, H] indices, oldest first, padded with 0 at the end.
        length: L.

    Returns:
        [B, L] indices, the newest in the last column; 0 in front where a user has
        fewer.
    """
    num_real = tf.math.count_nonzero(history != f.PADDING_INDEX, 1)  # [B]
    in_front = tf.pad(history, [[0, 0], [length, 0]])  # [B, L + H]
    columns = num_real[:, tf.newaxis] + tf.range(length, dtype=tf.int64)
    return tf.gather(in_front, columns, batch_dims=1)
