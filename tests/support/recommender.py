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


def save_recommender(module: Any, folder: Path, **other_signatures: Any) -> None:
    """Saves a module with the ``recommend`` signature of an exported model.

    Args:
        module: A ``tf.Module`` whose ``recommend`` takes users, the items of their
            histories, and k.
        folder: Where the SavedModel is written.
        other_signatures: Signatures to save beside it.
    """

    @tf.function(input_signature=RECOMMEND_SIGNATURE)
    def recommend(user_id, history_item_id, history_rating, user_features, k):
        return module.recommend(user_id, history_item_id, k)

    signatures = {"recommend": recommend, **other_signatures}
    tf.saved_model.save(module, str(folder), signatures=signatures)
