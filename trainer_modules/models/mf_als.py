"""Matrix factorisation of implicit feedback by alternating least squares.

Hu, Koren, Volinsky: "Collaborative Filtering for Implicit Feedback Datasets", ICDM
2008, https://doi.org/10.1109/ICDM.2008.22, equations 3 to 5; in the form of Rendle,
Krichene, Zhang, Koren: "Revisiting the Performance of iALS on Item Recommendation
Benchmarks", RecSys 2022, https://arxiv.org/abs/2110.14037, equations 1 to 4 and 10.
Differs from the paper: training steps towards the solutions by conjugate gradients,
and a user with a history is solved anew from it when scored, so new ratings count.
Shapes: B batch, C candidates, D embedding, H history, R rows solved at a time.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs import MFALSConfig
from trainer_modules.interactions import Interactions
from trainer_modules.layers.dot_product import dot_product
from trainer_modules.layers.implicit_least_squares import ImplicitLeastSquares
from trainer_modules.layers.padded_rows import padded_rows

STEPS = 6  # from the last alternation's solution; exact to the 3rd digit of HR and NDCG


class MFALS(tf.keras.Model):
    """score(u, i) = <w_u, h_i>, with w_u solved from u's history where there is one."""

    def __init__(self, config: MFALSConfig, num_users: int, num_items: int):
        super().__init__()
        self.epochs, dim = config.epochs, config.embedding_dim
        self.problem = ImplicitLeastSquares(
            config.regularization, config.unobserved_weight
        )
        normal = tf.random_normal_initializer(stddev=config.stddev / dim**0.5)
        self.user_embedding = tf.Variable(normal([num_users, dim]), trainable=False)
        self.item_embedding = tf.Variable(normal([num_items, dim]), trainable=False)
        self.gramian = tf.Variable(tf.zeros([dim, dim]), trainable=False)

    def solve(self, interactions: Interactions) -> None:
        """Alternates: all users from the items, then all items from the users."""
        users, items = self.user_embedding, self.item_embedding
        by_item = interactions.transposed()
        step = tf.function(self.problem.step, reduce_retracing=True)
        for _ in range(self.epochs):
            self._solve_side(step, interactions, users, items)
            self._solve_side(step, by_item, items, users)
        self.gramian.assign(tf.matmul(items, items, transpose_a=True))
        # Of whom nothing is known may well be like the others.
        mean = tf.reduce_mean(users[f.NUM_RESERVED :], 0)
        users[f.UNKNOWN_INDEX].assign(mean)

    @staticmethod
    def _solve_side(
        step: Callable[..., tf.Tensor],
        rows: Interactions,
        solved: tf.Variable,
        fixed: tf.Variable,
    ) -> None:
        gramian = tf.matmul(fixed, fixed, transpose_a=True)
        start, solution = solved.numpy(), np.zeros(solved.shape, np.float32)
        for index, columns in padded_rows(rows):
            solution[index] = step(columns, start[index], fixed, gramian, STEPS)
        solved.assign(solution)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]."""
        liked = features[f.HISTORY_ITEM_INDEX] * features[f.HISTORY_LABEL]  # [B, H]
        folded_in = tf.map_fn(
            lambda row: self.problem.solve(row, self.item_embedding, self.gramian),
            liked,
            fn_output_signature=tf.float32,
        )  # [B, D]
        trained = tf.gather(self.user_embedding, features[f.USER_INDEX])  # [B, D]
        has_history = tf.reduce_any(liked != f.PADDING_INDEX, 1, keepdims=True)
        user = tf.where(has_history, folded_in, trained)  # [B, D]
        item = tf.gather(self.item_embedding, features[f.ITEM_INDEX])  # [B or 1, C, D]
        return dot_product(user, item)  # [B, C]
