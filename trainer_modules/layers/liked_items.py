"""Users as rows of what they liked, for models that score by such rows."""

import tensorflow as tf

from trainer_modules import features as f


def liked_items(features: dict[str, tf.Tensor], num_items: int) -> tf.Tensor:
    """Returns 1 for each item in the liked part of a user's history, else 0: [B, V].

    As in training, an item that is repeated counts once; padding counts nothing.
    """
    history = features[f.HISTORY_ITEM_INDEX]  # [B, H]
    is_liked = features[f.HISTORY_LABEL] == f.LIKED  # [B, H]
    cell = tf.where(is_liked & (history != f.PADDING_INDEX))  # [N, 2]
    item = tf.cast(tf.gather_nd(history, cell), tf.int64)  # [N]
    shape = [tf.shape(features[f.USER_INDEX], tf.int64)[0], num_items]
    times = tf.scatter_nd(
        tf.stack([cell[:, 0], item], 1), tf.ones_like(item, tf.float32), shape
    )
    return tf.minimum(times, 1.0)


def of_candidates(score: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
    """Returns the scores of candidates [B, C].

    Args:
        score: Scores of all items, [B, V].
        item: Indices of the candidates, [B, C], or [1, C] for the same of every user.
    """
    item = tf.broadcast_to(item, [tf.shape(score)[0], tf.shape(item)[1]])
    return tf.gather(score, item, batch_dims=1)
