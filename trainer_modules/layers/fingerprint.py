"""Fingerprints of sets of items, to recognise one that was seen before."""

import numpy as np
import tensorflow as tf

from trainer_modules.interactions import Interactions

# Weights are rounded to such parts of 1: sums in another order differ by less.
_PARTS = 1000
_MIX = (-4658895280553007687, -7723592293110705685)  # as signed integers, for tf.int64


def fingerprint(item_index: tf.Tensor, weight: tf.Tensor | None = None) -> tf.Tensor:
    """Returns a hash of each set of items; order and padding do not change it.

    Each index is mixed to 64 bits by the function of Steele et al. 2014
    (https://doi.org/10.1145/2660193.2660195), figure 14, and the results are added up.

    Args:
        item_index: Indices of the items, [..., H], padded with 0.
        weight: How much each of them counts, [..., H]; None if all count alike.

    Returns:
        Hashes, [...] int64; two different sets have the same one with a probability of
        about 2^-64.
    """
    mixed = tf.cast(item_index, tf.int64)
    if weight is not None:
        thousandths = tf.cast(tf.round(weight * _PARTS), tf.int64)
        # Above the 32 bits of an index.
        mixed = tf.where(mixed == 0, mixed, mixed + thousandths * 2**32)
    for shift, factor in zip((30, 27), _MIX, strict=True):
        mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, shift))
        mixed *= factor
    return tf.reduce_sum(mixed, -1)


def fingerprints(interactions: Interactions) -> tf.Tensor:
    """Returns the hash of each user's items with their weights, [num_users] int64."""
    item, weight = interactions.item_index, interactions.weight
    hashes = fingerprint(
        item[:, np.newaxis], None if weight is None else weight[:, np.newaxis]
    )
    return tf.math.unsorted_segment_sum(
        hashes, interactions.user_index, interactions.num_users
    )
