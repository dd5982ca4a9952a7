"""The products of all pairs of fields, in time linear in the fields."""

import tensorflow as tf


def sum_of_pairwise_products(fields: tf.Tensor) -> tf.Tensor:
    """Adds <v_f, v_g> over all f < g.

    Rendle 2010 (https://doi.org/10.1109/ICDM.2010.127), lemma 3.1: half of the square
    of the sum less the sum of the squares.

    Args:
        fields: [..., F, D].

    Returns:
        [...].
    """
    fields = tf.cast(fields, tf.float32)  # squares are too much for half precision
    square_of_sum = tf.reduce_sum(fields, -2) ** 2  # [..., D]
    sum_of_squares = tf.reduce_sum(fields**2, -2)  # [..., D]
    return tf.reduce_sum(square_of_sum - sum_of_squares, -1) / 2


def pairwise_products(fields: tf.Tensor) -> tf.Tensor:
    """Multiplies v_f and v_g, number by number, for all f < g.

    Args:
        fields: [B, C, F, D].

    Returns:
        [B, C, P, D], where P is F (F - 1) / 2, in the order 01, 02, ..., 12, 13, ...
    """
    num_fields = fields.shape[2]
    return tf.concat(
        [
            fields[:, :, f : f + 1] * fields[:, :, f + 1 :]
            for f in range(num_fields - 1)
        ],
        2,
    )
