"""One side of implicit matrix factorisation, given the other: rows from columns."""

import dataclasses

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.layers.conjugate_gradients import conjugate_gradients


@dataclasses.dataclass(frozen=True)
class ImplicitLeastSquares:
    """The least squares problem of each row, with the columns' vectors fixed.

    Rendle et al. 2022 (https://arxiv.org/abs/2110.14037), equation 4: a row x that
    rated the columns S solves (sum_S h h^T + a G + ridge I) x = sum_S h, where G is the
    sum of h h^T over all columns, and ridge as in equation 10.

    Attributes:
      regularization: lambda.
      unobserved_weight: a.
    """

    regularization: float
    unobserved_weight: float

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
          steps: how many.

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
        """Solves one row [D] exactly, from the columns [H] that it rated, 0 padded."""
        rated = tf.gather(fixed, columns[columns != f.PADDING_INDEX])
        ridge = self._ridge(tf.cast(tf.shape(rated)[0], tf.float32), fixed)
        system = tf.matmul(rated, rated, transpose_a=True)
        system += self.unobserved_weight * gramian
        system = tf.linalg.set_diag(system, tf.linalg.diag_part(system) + ridge)
        right_hand = tf.reduce_sum(rated, 0)[:, tf.newaxis]
        return tf.linalg.cholesky_solve(tf.linalg.cholesky(system), right_hand)[:, 0]

    def _ridge(self, num_rated: tf.Tensor, fixed: tf.Tensor) -> tf.Tensor:
        num_columns = tf.cast(tf.shape(fixed)[0] - f.NUM_RESERVED, tf.float32)
        return self.regularization * (num_rated + self.unobserved_weight * num_columns)
