"""Item-based nearest neighbours: scores an item by its similarity to liked items.

Sarwar, Karypis, Konstan, Riedl: "Item-Based Collaborative Filtering Recommendation
Algorithms", WWW 2001, https://doi.org/10.1145/371920.372071, section
"Cosine-based Similarity".
The shrinkage term, which distrusts similarities from few users, is that of Ferrari
Dacrema, Cremonesi, Jannach, RecSys 2019, https://arxiv.org/abs/1907.06902.
Differs from the paper: likes instead of ratings, and a sum without a normalisation, as
in Deshpande, Karypis, TOIS 2004; a user without a history gets the mean scores.
Shapes: B batch, K neighbours, V item vocabulary.
"""

import numpy as np
import tensorflow as tf

from trainer_modules.configs.closed_form import ItemKNNConfig
from trainer_modules.interactions import Interactions
from trainer_modules.layers.co_occurrences import co_occurrences
from trainer_modules.layers.liked_items import LinearInLikes
from trainer_modules.sizes import Sizes


class ItemKNN(LinearInLikes):
    """score(u, i) = sum of s_ij over those of i's K nearest items j that u liked."""

    def __init__(self, config: ItemKNNConfig, sizes: Sizes):
        super().__init__(sizes)
        self.shrink = config.shrink
        shape = [self.num_items, min(config.num_neighbours, self.num_items)]
        self.neighbour = tf.Variable(tf.zeros(shape, tf.int32), trainable=False)
        self.similarity = tf.Variable(tf.zeros(shape), trainable=False)

    def solve(self, interactions: Interactions) -> None:
        """Finds each item's nearest neighbours; of equally near ones, the first."""
        neighbour, similarity = self.neighbour.numpy(), self.similarity.numpy()
        norm = np.sqrt(interactions.item_totals(power=2))
        for items, together in co_occurrences(interactions):
            together.sort_indices()
            splits = together.indptr
            for item, start, end in zip(
                range(items.start, items.stop), splits[:-1], splits[1:], strict=True
            ):
                other = together.indices[start:end]
                cosine = together.data[start:end] / (
                    norm[item] * norm[other] + self.shrink
                )
                cosine[other == item] = 0
                nearest = np.argsort(-cosine, kind="stable")[: neighbour.shape[1]]
                neighbour[item, : len(nearest)] = other[nearest]
                similarity[item, : len(nearest)] = cosine[nearest]
        self.neighbour.assign(neighbour)
        self.similarity.assign(similarity)
        self.set_mean_score(interactions)

    def scores(self, liked: tf.Tensor) -> tf.Tensor:
        """Returns the scores of all items for rows of what users liked, [B, V] both."""
        row = tf.repeat(tf.range(self.num_items), self.neighbour.shape[1])  # [V K]
        cell = tf.stack([row, tf.reshape(self.neighbour, [-1])], 1)  # [V K, 2]
        return tf.transpose(
            tf.sparse.sparse_dense_matmul(
                tf.SparseTensor(
                    tf.cast(cell, tf.int64),
                    tf.reshape(self.similarity, [-1]),
                    [self.num_items, self.num_items],
                ),
                liked,
                adjoint_b=True,
            )
        )
