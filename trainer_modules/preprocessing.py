"""Raw user records to indices and labels: the graph that is trained on and served."""

import operator
import re
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer_modules import features as f

EVERYTHING_POSITIVE = "all"
_COMPARISONS = {">": operator.gt, ">=": operator.ge}
_THRESHOLD = re.compile(r"(>=?)\s*(\d+(?:\.\d+)?)")


def preprocessing_fn(
    inputs: dict[str, tf.RaggedTensor], custom_config: dict[str, Any]
) -> dict[str, tf.RaggedTensor]:
    """Replaces ids by vocabulary indices, and ratings by labels.

    The vocabularies are those of the ``train`` split. An item with fewer than
    ``min_item_ratings`` ratings is left out, and so trains the unknown row.

    Args:
      inputs: the raw features of ``features.py``, each ragged [B, None].
      custom_config: ``label_threshold`` (``all``, ``> x`` or ``>= x`` stars) and
        ``min_item_ratings``.

    Returns:
      Ragged [B, None] int64 features: ``user_index``, ``item_index``, ``label``, the
      same for ``history_``, and ``<name>_index`` for each side feature of the user.
    """
    threshold = custom_config["label_threshold"]
    users = _vocabulary(inputs[f.USER_ID], f.USER_VOCABULARY, min_count=1)
    items = _vocabulary(
        inputs[f.ITEM_ID], f.ITEM_VOCABULARY, custom_config["min_item_ratings"]
    )
    outputs = {
        f.USER_INDEX: _index(inputs[f.USER_ID], users),
        f.ITEM_INDEX: _index(inputs[f.ITEM_ID], items),
        f.HISTORY_ITEM_INDEX: _index(inputs[f.HISTORY_ITEM_ID], items),
        f.LABEL: label(inputs[f.RATING], threshold),
        f.HISTORY_LABEL: label(inputs[f.HISTORY_RATING], threshold),
    }
    for name in sorted(filter(f.is_user_feature, inputs)):
        outputs[f"{name}_index"] = _index(
            inputs[name], _vocabulary(inputs[name], name, min_count=1)
        )
    return outputs


def _vocabulary(ids: tf.RaggedTensor, name: str, min_count: int) -> tf.Tensor:
    return tft.vocabulary(
        ids.to_sparse(), frequency_threshold=min_count, vocab_filename=name
    )


def _index(ids: tf.RaggedTensor, vocabulary: tf.Tensor) -> tf.RaggedTensor:
    known = tft.apply_vocabulary(ids.flat_values, vocabulary, default_value=-1)
    return ids.with_flat_values(known + f.NUM_RESERVED)


def label(rating: tf.RaggedTensor, threshold: str) -> tf.RaggedTensor:
    """1 where a rating passes the threshold, else 0.

    Raises:
      ValueError: for a threshold that is none of ``all``, ``> x`` and ``>= x``.
    """
    if threshold == EVERYTHING_POSITIVE:
        return tf.cast(tf.ones_like(rating), tf.int64)
    match = _THRESHOLD.fullmatch(threshold)
    if not match:
        raise ValueError(
            f"label threshold {threshold!r}: expected 'all', '> x' or '>= x'"
        )
    passes = _COMPARISONS[match[1]](rating.flat_values, float(match[2]))
    return rating.with_flat_values(tf.cast(passes, tf.int64))
