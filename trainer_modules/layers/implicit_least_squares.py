"""Solves one side of an implicit matrix factorisation while the other is fixed."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.interactions import Interactions
from trainer_modules.layers.conjugate_gradients import conjugate_gradients
from trainer_modules.layers.padded_rows import padded_rows

# Iterations from the last alternation's solution; more change neither HR nor NDCG in
# the third digit.
STEPS = 6


@dataclasses.dataclass(frozen=True)
class ImplicitLeastSquares:
    """The least squares problem of every row, given the vectors of the columns.

    In turn, the rows are users and the columns items, and the other way round. A row
    that rated the columns S has the vector x that solves

        (sum_S c h h^T + a G + ridge I) x = sum_S c h,

    where h is the vector of a column, c is the weight of the pair (1 unless events
    differ in theirs; the confidence of Hu et al. 2008), and the Gramian G is the sum of
    h h^T over all columns, rated or not (Rendle et al. 2022,
    https://arxiv.org/abs/2110.14037, equation 4; ridge is as in equation 10).
    ``improve`` approximates x for all rows in training, and ``solve`` computes it
    exactly for single rows in serving.

    Attributes:
        regularization: Lambda, the strength of the ridge.
        unobserved_weight: The weight a of the pairs without a rating.
    """

    regularization: float
    unobserved_weight: float

    def improve(
        self, solved: tf.Variable, rows: Interactions, fixed: tf.Variable
    ) -> None:
        """Moves the rows' vectors towards their solutions; rows without ratings get 0.

        Args:
            solved: Vectors of the rows, [R, D]: the start, replaced by the result.
            rows: The columns that each row rated.
            fixed: Vectors of the columns, [V, D].
        """
        gramian = tf.matmul(fixed, fixed, transpose_a=True)
        start, solution = solved.numpy(), np.zeros(solved.shape, np.float32)
        for index, columns, weight in padded_rows(rows):
            solution[index] = self._traced_step(
                columns, weight, start[index], fixed, gramian, STEPS
            )
        solved.assign(solution)

    @functools.cached_property
    def _traced_step(self) -> Callable[..., tf.Tensor]:
        return tf.function(self.step, reduce_retracing=True)

    def step(
        self,
        columns: tf.Tensor,
        weight: tf.Tensor,
        start: tf.Tensor,
        fixed: tf.Tensor,
        gramian: tf.Tensor,
        steps: int,
    ) -> tf.Tensor:
        """Returns vectors closer to the solutions, by conjugate gradients.

        Args:
            columns: Columns that each row rated, [R, H], padded with 0.
            weight: Weights of these pairs, [R, H].
            start: Present vectors of the rows, [R, D].
            fixed: Vectors of the columns, [V, D].
            gramian: G, [D, D].
            steps: Number of iterations.

        Returns:
            New vectors of the rows, [R, D].
        """
        real = tf.cast(columns != f.PADDING_INDEX, tf.float32)  # [R, H]
        # Both factors of c h h^T have the square root of c.
        root = (tf.sqrt(weight) * real)[:, :, tf.newaxis]  # [R, H, 1]
        rated = tf.gather(fixed, columns) * root  # [R, H, D]
        ridge = self._ridge(tf.reduce_sum(real, 1, keepdims=True), fixed)  # [R, 1]
        of_all = self.unobserved_weight * gramian  # [D, D], rated columns included

        def system(x: tf.Tensor) -> tf.Tensor:  # [R, D] -> [R, D]
            product = tf.matmul(rated, x[:, :, tf.newaxis])  # [R, H, 1]
            seen = tf.matmul(rated, product, transpose_a=True)[:, :, 0]
            return seen + tf.matmul(x, of_all) + ridge * x

        diagonal = tf.reduce_sum(rated**2, 1) + tf.linalg.diag_part(of_all) + ridge
        return conjugate_gradients(
            system, diagonal, tf.reduce_sum(rated * root, 1), start, steps
        )

    def solve(
        self,
        columns: tf.Tensor,
        weight: tf.Tensor,
        fixed: tf.Tensor,
        gramian: tf.Tensor,
    ) -> tf.Tensor:
        """Returns the exact solutions.

        Args:
            columns: Columns that each row rated, [R, H], padded with 0.
            weight: Weights of these pairs, [R, H].
            fixed: Vectors of the columns, [V, D].
            gramian: G, [D, D].

        Returns:
            Vectors of the rows, [R, D].
        """
        return tf.map_fn(
            lambda row: self._solution(row[0], row[1], fixed, gramian),
            (columns, weight),
            fn_output_signature=tf.TensorSpec(gramian.shape[:1], tf.float32),
        )

    def _solution(
        self,
        columns: tf.Tensor,
        weight: tf.Tensor,
        fixed: tf.Tensor,
        gramian: tf.Tensor,
    ) -> tf.Tensor:
        is_real = columns != f.PADDING_INDEX
        root = tf.sqrt(weight[is_real])[:, tf.newaxis]  # [H, 1]
        rated = tf.gather(fixed, columns[is_real]) * root  # [H, D]
        ridge = self._ridge(tf.cast(tf.shape(rated)[0], tf.float32), fixed)
        system = tf.matmul(rated, rated, transpose_a=True)
        system += self.unobserved_weight * gramian
        system = tf.linalg.set_diag(system, tf.linalg.diag_part(system) + ridge)
        right_hand = tf.reduce_sum(rated * root, 0)[:, tf.newaxis]
        return tf.linalg.cholesky_solve(tf.linalg.cholesky(system), right_hand)[:, 0]

    def _ridge(self, num_rated: tf.Tensor, fixed: tf.Tensor) -> tf.Tensor:
        num_columns = tf.cast(tf.shape(fixed)[0] - f.NUM_RESERVED, tf.float32)
        return self.regularization * (num_rated + self.unobserved_weight * num_columns)
