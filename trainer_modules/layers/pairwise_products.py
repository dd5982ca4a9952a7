"""Products of all pairs of fields."""

import tensorflow as tf


def sum_of_pairwise_products(fields: tf.Tensor) -> tf.Tensor:
    """Returns the sum of <v_f, v_g> over all pairs f < g.

    It is half of the difference between the square of the sum and the sum of the
    squares, which takes time linear in F (Rendle 2010,
    https://doi.org/10.1109/ICDM.2010.127, lemma 3.1).

    Args:
        fields: Vectors of the fields, [..., F, D].

    Returns:
        Sums, [...].
    """
    fields = tf.cast(fields, tf.float32)  # the squares overflow half precision
    square_of_sum = tf.reduce_sum(fields, -2) ** 2  # [..., D]
    sum_of_squares = tf.reduce_sum(fields**2, -2)  # [..., D]
    return tf.reduce_sum(square_of_sum - sum_of_squares, -1) / 2


def pairwise_products(fields: tf.Tensor) -> tf.Tensor:
    """Returns the element-wise products of v_f and v_g for all pairs f < g.

    Args:
        fields: Vectors of the fields, [B, C, F, D].

    Returns:
        Products, [B, C, P, D] with P = F (F - 1) / 2, in the order 01, 02, ..., 12,
        13, ...
    """
    num_fields = fields.shape[2]
    return tf.concat(
        [
            fields[:, :, left : left + 1] * fields[:, :, left + 1 :]
            for left in range(num_fields - 1)
        ],
        2,
    )
