"""Matrix factorisation of implicit feedback by alternating least squares.

Hu, Koren, Volinsky: "Collaborative Filtering for Implicit Feedback Datasets", ICDM
2008, https://doi.org/10.1109/ICDM.2008.22, equations 3 to 5; in the form of Rendle,
Krichene, Zhang, Koren: "Revisiting the Performance of iALS on Item Recommendation
Benchmarks", RecSys 2022, https://arxiv.org/abs/2110.14037, equations 1 to 4 and 10.
Differs from the paper: a user with a history is folded in from it when scored
(equation 4 with the trained items), so that new users and new ratings count at once.
Shapes: B batch, C candidates, D embedding, H history, R rows solved at a time.
"""

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs import MFALSConfig
from trainer_modules.interactions import Interactions
from trainer_modules.layers.padded_rows import padded_rows


class MFALS(tf.keras.Model):
    """score(u, i) = <w_u, h_i>, with w_u solved from u's history where there is one."""

    def __init__(self, config: MFALSConfig, num_users: int, num_items: int):
        super().__init__()
        self.config = config
        dim = config.embedding_dim
        normal = tf.random_normal_initializer(stddev=config.stddev / dim**0.5)
        self.user_embedding = tf.Variable(normal([num_users, dim]), trainable=False)
        self.item_embedding = tf.Variable(normal([num_items, dim]), trainable=False)
        self.item_gramian = tf.Variable(tf.zeros([dim, dim]), trainable=False)

    def solve(self, interactions: Interactions) -> None:
        """Alternates; each half solves all rows of one side exactly (equation 4)."""
        by_item = interactions.transposed()
        for _ in range(self.config.epochs):
            self._solve_side(interactions, self.user_embedding, self.item_embedding)
            self._solve_side(by_item, self.item_embedding, self.user_embedding)
        self.item_gramian.assign(gramian(self.item_embedding))

    def _solve_side(
        self, rows: Interactions, solved: tf.Variable, fixed: tf.Variable
    ) -> None:
        fixed_gramian = gramian(fixed)
        solution = np.zeros(solved.shape, np.float32)  # nobody's row stays at zero
        for row_index, columns in padded_rows(rows):
            solution[row_index] = self._solve_rows(columns, fixed, fixed_gramian)
        solved.assign(solution)

    @tf.function(reduce_retracing=True)
    def _solve_rows(
        self, columns: tf.Tensor, fixed: tf.Tensor, fixed_gramian: tf.Tensor
    ) -> tf.Tensor:
        """Solves rows from the columns they rated, [R, H] padded with 0: [R, D]."""
        mask = tf.cast(columns != f.PADDING_INDEX, tf.float32)  # [R, H]
        rated = tf.gather(fixed, columns) * mask[:, :, tf.newaxis]  # [R, H, D]
        weight = self.config.unobserved_weight
        num_columns = tf.cast(tf.shape(fixed)[0] - f.NUM_RESERVED, tf.float32)
        ridge = self.config.regularization * (
            tf.reduce_sum(mask, 1) + weight * num_columns
        )  # [R]
        system = tf.matmul(rated, rated, transpose_a=True) + weight * fixed_gramian
        system = tf.linalg.set_diag(
            system, tf.linalg.diag_part(system) + ridge[:, tf.newaxis]
        )  # [R, D, D]
        right_hand = tf.reduce_sum(rated, 1)[:, :, tf.newaxis]  # [R, D, 1]
        return tf.linalg.cholesky_solve(tf.linalg.cholesky(system), right_hand)[..., 0]

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]."""
        liked = features[f.HISTORY_ITEM_INDEX] * features[f.HISTORY_LABEL]  # [B, H]
        folded_in = self._solve_rows(liked, self.item_embedding, self.item_gramian)
        trained = tf.gather(self.user_embedding, features[f.USER_INDEX])  # [B, D]
        has_history = tf.reduce_any(liked != f.PADDING_INDEX, 1, keepdims=True)
        user = tf.where(has_history, folded_in, trained)  # [B, D]
        item = tf.gather(self.item_embedding, features[f.ITEM_INDEX])  # [B or 1, C, D]
        return tf.reduce_sum(user[:, tf.newaxis, :] * item, -1)  # [B, C]


def gramian(embedding: tf.Variable) -> tf.Tensor:
    """The sum of all rows' outer products: [D, D]."""
    return tf.matmul(embedding, embedding, transpose_a=True)
