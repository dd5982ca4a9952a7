"""Separates the weights of categories from their names, as in "Drama:0.2"."""

import tensorflow as tf

# In RE2's syntax, a category and a number of at least 0.
WEIGHTED = r"(?s)(.*):\+?((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"


def split_weights(values: tf.RaggedTensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Returns categories and their weights.

    Args:
        values: Texts such as "Drama:0.2", [B, (N)].

    Returns:
        Categories and weights, [B, (N)] each. One that is written without a weight, as
        a request may do, has the weight 1.
    """
    texts = values.flat_values
    has_weight = tf.strings.regex_full_match(texts, WEIGHTED)
    names = tf.strings.regex_replace(texts, f"^{WEIGHTED}$", r"\1")
    numbers = tf.strings.regex_replace(texts, f"^{WEIGHTED}$", r"\2")
    weights = tf.strings.to_number(tf.where(has_weight, numbers, "1"))
    return values.with_flat_values(names), values.with_flat_values(weights)
