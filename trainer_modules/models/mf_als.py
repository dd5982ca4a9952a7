"""Matrix factorisation of implicit feedback by alternating least squares.

Hu, Koren, Volinsky: "Collaborative Filtering for Implicit Feedback Datasets", ICDM
2008, https://doi.org/10.1109/ICDM.2008.22, equations 3 to 5; in the form of Rendle,
Krichene, Zhang, Koren: "Revisiting the Performance of iALS on Item Recommendation
Benchmarks", RecSys 2022, https://arxiv.org/abs/2110.14037, equations 1 to 4 and 10.
Differs from the paper: training approximates the solutions by conjugate gradients; when
it scores a user whose history has changed since, it solves for the user's vector anew.
Shapes: B batch, C candidates, D embedding, H history, R users to solve.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.closed_form import MFALSConfig
from trainer_modules.interactions import Interactions
from trainer_modules.layers.dot_product import dot_product
from trainer_modules.layers.fingerprint import fingerprints
from trainer_modules.layers.implicit_least_squares import ImplicitLeastSquares
from trainer_modules.layers.liked_items import liked_history
from trainer_modules.sizes import Sizes


class MFALS(tf.keras.Model):
    """score(u, i) = <w_u, h_i>, with w_u solved from u's history if there is one."""

    def __init__(self, config: MFALSConfig, sizes: Sizes):
        super().__init__()
        self.epochs, dim = config.epochs, config.embedding_dim
        self.problem = ImplicitLeastSquares(
            config.regularization, config.unobserved_weight
        )
        normal = tf.random_normal_initializer(stddev=config.stddev / dim**0.5)
        users, items = normal([sizes.num_users, dim]), normal([sizes.num_items, dim])
        self.user_embedding = tf.Variable(users, trainable=False)
        self.item_embedding = tf.Variable(items, trainable=False)
        self.gramian = tf.Variable(tf.zeros([dim, dim]), trainable=False)
        hashes = tf.zeros([sizes.num_users], tf.int64)  # of the histories trained on
        self.history = tf.Variable(hashes, trainable=False)

    def solve(self, interactions: Interactions) -> None:
        """Solves for all users given the items, then for all items, in turn."""
        users, items = self.user_embedding, self.item_embedding
        by_item = interactions.transposed()
        for _ in range(self.epochs):
            self.problem.improve(users, interactions, items)
            self.problem.improve(items, by_item, users)
        self.problem.improve(users, interactions, items)  # as when scored
        self.gramian.assign(tf.matmul(items, items, transpose_a=True))
        history = fingerprints(interactions)
        # Users without history get the mean vector, and so does the unknown user, whose
        # row all users outside the vocabulary share.
        known = (history != 0) & (tf.range(interactions.num_users) != f.UNKNOWN_INDEX)
        mean = tf.reduce_mean(tf.boolean_mask(users, known), 0)
        users.assign(tf.where(known[:, tf.newaxis], users, mean))
        self.history.assign(tf.where(known, history, 0))

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]."""
        return dot_product(self.users(features), self.items(features[f.ITEM_INDEX]))

    def users(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the vectors of users [B, D], solved anew for another history."""
        liked = liked_history(features)
        user = tf.gather(self.user_embedding, features[f.USER_INDEX])  # [B, D]
        known = tf.gather(self.history, features[f.USER_INDEX])  # [B]
        has_history = tf.reduce_any(liked.item_index != f.PADDING_INDEX, 1)  # [B]
        is_new = has_history & tf.not_equal(liked.fingerprint, known)  # [B]
        rows = tf.where(is_new)  # [R, 1]
        item, weight = (tf.gather_nd(x, rows) for x in (liked.item_index, liked.weight))
        folded_in = self.problem.solve(item, weight, self.item_embedding, self.gramian)
        return tf.tensor_scatter_nd_update(user, rows, folded_in)  # [B, D]

    def items(self, item_index: tf.Tensor) -> tf.Tensor:
        """Returns the vectors [..., D] of items [...]."""
        return tf.gather(self.item_embedding, item_index)
