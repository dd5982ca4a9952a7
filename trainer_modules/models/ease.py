"""EASE: scores an item by a weighted sum of the user's liked items, in closed form.

Steck: "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019,
https://arxiv.org/abs/1905.03375, equations 2, 6 and 8.
Differs from the paper: a user without a history gets the mean scores of all users.
Shapes: B batch, C candidates, V item vocabulary.
"""

import numpy as np
import numpy.typing as npt
import scipy.linalg
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.closed_form import EASEConfig
from trainer_modules.interactions import Interactions
from trainer_modules.layers.co_occurrences import co_occurrences
from trainer_modules.layers.liked_items import liked_items, of_candidates
from trainer_modules.sizes import Sizes


class EASE(tf.keras.Model):
    """score(u, i) = X_u B_i, with zeros on B's diagonal."""

    def __init__(self, config: EASEConfig, sizes: Sizes):
        super().__init__()
        self.l2, self.num_items = config.l2, sizes.num_items
        if self.num_items > config.max_items:
            raise MemoryError(
                f"ease has a weight between every two of {self.num_items:,} items, "
                f"which takes {16e-9 * self.num_items**2:.0f} GB to solve; "
                f"models.ease.max_items is {config.max_items:,}. Train item_knn or "
                "mf_als instead, or raise that setting if the machine has the memory."
            )
        zeros = tf.zeros([self.num_items, self.num_items])
        self.item_weight = tf.Variable(zeros, trainable=False)  # B
        self.mean_score = tf.Variable(zeros[0], trainable=False)

    def solve(self, interactions: Interactions) -> None:
        """Computes the weights from a single inverse."""
        weight = _weights(interactions, self.l2)
        self.item_weight.assign(weight)
        count = np.bincount(interactions.item_index, minlength=self.num_items)
        share = count / len(np.unique(interactions.user_index))  # of the users
        self.mean_score.assign(share.astype(np.float32) @ weight)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]."""
        liked = liked_items(features, self.num_items)  # [B, V]
        score = tf.sparse.sparse_dense_matmul(
            tf.sparse.from_dense(liked), self.item_weight
        )  # [B, V]
        has_history = tf.reduce_any(liked > 0, 1, keepdims=True)  # [B, 1]
        score = tf.where(has_history, score, self.mean_score)  # [B, V]
        return of_candidates(score, features[f.ITEM_INDEX])  # [B, C]


def _weights(interactions: Interactions, l2: float) -> npt.NDArray[np.float32]:
    """Returns B; at its peak, a matrix of float64 and one of float32 are in memory."""
    gram = np.empty([interactions.num_items, interactions.num_items])
    for items, together in co_occurrences(interactions):
        gram[items] = together.toarray()
    np.fill_diagonal(gram, np.diag(gram) + l2)
    # Both use the memory and the lower triangle of a matrix in Fortran's order.
    factor = scipy.linalg.cholesky(
        gram.T, lower=True, overwrite_a=True, check_finite=False
    )
    inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=True, overwrite_c=True)
    scale = -1 / np.diag(inverse)
    weight = np.zeros(gram.shape, np.float32)
    for item in range(len(gram) - 1):
        below = inverse[item + 1 :, item]  # P of equation 6
        weight[item + 1 :, item] = below * scale[item]  # equation 8
        weight[item, item + 1 :] = below * scale[item + 1 :]
    return weight
