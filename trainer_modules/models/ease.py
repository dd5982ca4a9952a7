"""EASE: scores an item by a weighted sum of the user's liked items, in closed form.

Steck: "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019,
https://arxiv.org/abs/1905.03375, equations 2, 6 and 8.
Differs from the paper: a user without a history gets the mean scores of all users.
Shapes: B batch, V item vocabulary.
"""

import numpy as np
import numpy.typing as npt
import scipy.linalg
import tensorflow as tf

from trainer_modules.configs.closed_form import EASEConfig
from trainer_modules.interactions import Interactions
from trainer_modules.layers.co_occurrences import co_occurrences
from trainer_modules.layers.liked_items import LinearInLikes
from trainer_modules.sizes import Sizes


class EASE(LinearInLikes):
    """score(u, i) = X_u B_i, with zeros on B's diagonal."""

    def __init__(self, config: EASEConfig, sizes: Sizes):
        super().__init__(sizes)
        self.l2 = config.l2
        if self.num_items > config.max_items:
            raise MemoryError(
                f"ease has a weight between every two of {self.num_items:,} items, "
                f"which takes {16e-9 * self.num_items**2:.0f} GB to solve; "
                f"models.ease.max_items is {config.max_items:,}. Train item_knn or "
                "mf_als instead, or raise that setting if the machine has the memory."
            )
        zeros = tf.zeros([self.num_items, self.num_items])
        self.item_weight = tf.Variable(zeros, trainable=False)  # B

    def solve(self, interactions: Interactions) -> None:
        """Computes the weights from a single inverse."""
        self.item_weight.assign(_weights(interactions, self.l2))
        self.set_mean_score(interactions)

    def scores(self, liked: tf.Tensor) -> tf.Tensor:
        """Returns the scores of all items for rows of what users liked, [B, V] both."""
        return tf.sparse.sparse_dense_matmul(
            tf.sparse.from_dense(liked), self.item_weight
        )


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
