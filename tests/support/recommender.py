"""Saved models that answer like an exported recommender."""

from pathlib import Path
from typing import Any

import tensorflow as tf

RECOMMEND_SIGNATURE = [  # of the signature of that name
    tf.TensorSpec([None], tf.string, name="user_id"),
    tf.TensorSpec([None, None], tf.string, name="history_item_id"),
    tf.TensorSpec([None, None], tf.float32, name="history_rating"),
    tf.TensorSpec([None, None], tf.string, name="user_features"),
    tf.TensorSpec([], tf.int32, name="k"),
]


TIMES = tf.TensorSpec([None, None], tf.int64, name="history_timestamp")


class Echo(tf.Module):
    """Lists the items of a history, with their times as scores; -1 for models without.

    Unlike a real model, it does not leave out what a user has rated.
    """

    def recommend(self, user_id, history_item_id, k, history_timestamp=None):
        del user_id, k
        if history_timestamp is None:
            time = -tf.ones_like(history_item_id, tf.int64)
        else:
            missing = tf.shape(history_item_id)[1] - tf.shape(history_timestamp)[1]
            time = tf.pad(history_timestamp, [[0, 0], [0, missing]])
        return {"item_id": history_item_id, "score": tf.cast(time, tf.float32)}


def save_recommender(
    module: Any, folder: Path, *, reads_times: bool = False, **other_signatures: Any
) -> None:
    """Saves a module with the ``recommend`` signature of an exported model.

    Args:
        module: A ``tf.Module`` whose ``recommend`` takes users, the items of their
            histories, and k; and times, if it reads them.
        folder: Where the SavedModel is written.
        reads_times: Whether the signature has the input ``history_timestamp``.
        other_signatures: Signatures to save beside it.
    """

    times = [TIMES] if reads_times else []

    @tf.function(input_signature=[*RECOMMEND_SIGNATURE, *times])
    def recommend(user_id, history_item_id, history_rating, user_features, k, *times):
        return module.recommend(user_id, history_item_id, k, *times)

    signatures = {"recommend": recommend, **other_signatures}
    tf.saved_model.save(module, str(folder), signatures=signatures)
