"""Conjugate gradients: solves many small positive definite systems at once."""

from collections.abc import Callable

import tensorflow as tf


def conjugate_gradients(
    system: Callable[[tf.Tensor], tf.Tensor],
    diagonal: tf.Tensor,
    right_hand: tf.Tensor,
    start: tf.Tensor,
    steps: int,
) -> tf.Tensor:
    """Approximates the solutions of R linear systems, each of D unknowns.

    The method of Hestenes and Stiefel 1952, preconditioned by the diagonal (Golub and
    Van Loan, "Matrix Computations", algorithm 11.5.1). It needs the matrices only
    through their products with vectors, so they are never built.

    Args:
        system: Multiplies R vectors, [R, D], by the matrices of their systems.
        diagonal: Diagonals of the matrices, [R, D]; all positive.
        right_hand: Right-hand sides, [R, D].
        start: Initial guesses, [R, D]; the closer to the solutions the better.
        steps: Number of iterations. D of them give the exact solution up to rounding;
            from a good start a few are enough.

    Returns:
        The approximate solutions, [R, D].
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
