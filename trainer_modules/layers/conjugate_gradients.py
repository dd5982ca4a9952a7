"""Conjugate gradients on many small positive definite systems at once."""

from collections.abc import Callable

import tensorflow as tf


def conjugate_gradients(
    system: Callable[[tf.Tensor], tf.Tensor],
    diagonal: tf.Tensor,
    right_hand: tf.Tensor,
    start: tf.Tensor,
    steps: int,
) -> tf.Tensor:
    """Steps towards the solutions of R systems of D unknowns.

    Hestenes and Stiefel 1952, preconditioned by the diagonal (Golub and Van Loan,
    "Matrix Computations", algorithm 11.5.1).

    Args:
        system: Multiplies vectors [R, D] by their systems' matrices.
        diagonal: [R, D] of the matrices.
        right_hand: [R, D].
        start: [R, D], the closer to the solution the better.
        steps: D of them are exact, but for rounding; a good start needs a few.

    Returns:
        [R, D].
    """
    x = start
    residual = right_hand - system(x)
    direction = z = residual / diagonal
    rz = tf.reduce_sum(residual * z, 1, keepdims=True)
    for _ in range(steps):
        moved = system(direction)
        curvature = tf.reduce_sum(direction * moved, 1, keepdims=True)
        alpha = tf.math.divide_no_nan(rz, curvature)
        x += alpha * direction
        residual -= alpha * moved
        z, last_rz = residual / diagonal, rz
        rz = tf.reduce_sum(residual * z, 1, keepdims=True)
        direction = z + tf.math.divide_no_nan(rz, last_rz) * direction
    return x
