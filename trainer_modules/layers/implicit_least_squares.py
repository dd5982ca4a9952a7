"""One side of implicit matrix factorisation, given the other: rows from columns."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.interactions import Interactions
from trainer_modules.layers.conjugate_gradients import conjugate_gradients
from trainer_modules.layers.padded_rows import padded_rows

STEPS = 6  # from the last alternation's solution; exact to the 3rd digit of HR and NDCG


@dataclasses.dataclass(frozen=True)
class ImplicitLeastSquares:
    """The least squares problem of each row, with the columns' vectors fixed.

    Rendle et al. 2022 (https://arxiv.org/abs/2110.14037), equation 4: a row x that
    rated the columns S solves (sum_S h h^T + a G + ridge I) x = sum_S h, where G is the
    sum of h h^T over all columns, and ridge as in equation 10.

    Attributes:
        regularization: Lambda.
        unobserved_weight: A.
    """

    regularization: float
    unobserved_weight: float

    def improve(
        self, solved: tf.Variable, rows: Interactions, fixed: tf.Variable
    ) -> None:
        """Steps all rows that rated anything towards their solutions; others get 0.

        Args:
            solved: [R, D] where the rows stand.
            rows: The columns that each rated.
            fixed: [V, D] the columns' vectors.
        """
        gramian = tf.matmul(fixed, fixed, transpose_a=True)
        start, solution = solved.numpy(), np.zeros(solved.shape, np.float32)
        for index, columns in padded_rows(rows):
            solution[index] = self._traced_step(
                columns, start[index], fixed, gramian, STEPS
            )
        solved.assign(solution)

    @functools.cached_property
    def _traced_step(self) -> Callable[..., tf.Tensor]:
        return tf.function(self.step, reduce_retracing=True)

    def step(
        self,
        columns: tf.Tensor,
        start: tf.Tensor,
        fixed: tf.Tensor,
        gramian: tf.Tensor,
        steps: int,
    ) -> tf.Tensor:
        """Steps towards the solutions by conjugate gradients.

        Args:
            columns: [R, H] that each row rated, padded with 0.
            start: [R, D] where the rows stand.
            fixed: [V, D] the columns' vectors.
            gramian: [D, D], G.
            steps: How many.

        Returns:
            [R, D].
        """
        real = tf.cast(columns != f.PADDING_INDEX, tf.float32)  # [R, H]
        rated = tf.gather(fixed, columns) * real[:, :, tf.newaxis]  # [R, H, D]
        ridge = self._ridge(tf.reduce_sum(real, 1, keepdims=True), fixed)  # [R, 1]
        unrated = self.unobserved_weight * gramian  # [D, D]

        def system(x: tf.Tensor) -> tf.Tensor:  # [R, D] -> [R, D]
            product = tf.matmul(rated, x[:, :, tf.newaxis])  # [R, H, 1]
            seen = tf.matmul(rated, product, transpose_a=True)[:, :, 0]
            return seen + tf.matmul(x, unrated) + ridge * x

        diagonal = tf.reduce_sum(rated**2, 1) + tf.linalg.diag_part(unrated) + ridge
        return conjugate_gradients(
            system, diagonal, tf.reduce_sum(rated, 1), start, steps
        )

    def solve(
        self, columns: tf.Tensor, fixed: tf.Tensor, gramian: tf.Tensor
    ) -> tf.Tensor:
        """Solves rows [R, D] exactly, from the columns [R, H] they rated, 0 padded."""
        return tf.map_fn(
            lambda row: self._solution(row, fixed, gramian),
            columns,
            fn_output_signature=tf.TensorSpec(gramian.shape[:1], tf.float32),
        )

    def _solution(
        self, columns: tf.Tensor, fixed: tf.Tensor, gramian: tf.Tensor
    ) -> tf.Tensor:
        rated = tf.gather(fixed, columns[columns != f.PADDING_INDEX])  # [H, D]
        ridge = self._ridge(tf.cast(tf.shape(rated)[0], tf.float32), fixed)
        system = tf.matmul(rated, rated, transpose_a=True)
        system += self.unobserved_weight * gramian
        system = tf.linalg.set_diag(system, tf.linalg.diag_part(system) + ridge)
        right_hand = tf.reduce_sum(rated, 0)[:, tf.newaxis]
        return tf.linalg.cholesky_solve(tf.linalg.cholesky(system), right_hand)[:, 0]

    def _ridge(self, num_rated: tf.Tensor, fixed: tf.Tensor) -> tf.Tensor:
        num_columns = tf.cast(tf.shape(fixed)[0] - f.NUM_RESERVED, tf.float32)
        return self.regularization * (num_rated + self.unobserved_weight * num_columns)
