"""A number for a set of items, to tell whether it is the same set as before."""

import tensorflow as tf

_MIX = (-4658895280553007687, -7723592293110705685)  # as signed integers


def fingerprint(item_index: tf.Tensor) -> tf.Tensor:
    """Hashes sets of items; their order and padding change nothing.

    Steele et al. 2014 (https://doi.org/10.1145/2660193.2660195), figure 14: each index
    is mixed to 64 bits, and those are added up.

    Args:
        item_index: [..., H] indices, padded with 0.

    Returns:
        [...] int64; two different sets have the same with a chance of about 2^-64.
    """
    mixed = tf.cast(item_index, tf.int64)
    for shift, factor in zip((30, 27), _MIX, strict=True):
        mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, shift))
        mixed *= factor
    return tf.reduce_sum(mixed, -1)
