"""The graph of users and the items that they liked, along which vectors propagate."""

import numpy as np
import tensorflow as tf

from trainer_modules.interactions import Indices, Interactions

Vectors = tuple[tf.Tensor, tf.Tensor]  # of all users [U, D], and of all items [V, D]


class InteractionGraph:
    """Propagates vectors between users and items.

    He et al. 2020 (https://arxiv.org/abs/2002.02126), section "Light Graph
    Convolution": the next layer's vector of a user u is the sum of the vectors of its
    items i, each divided by sqrt(|N_u| |N_i|), and that of an item is the same sum over
    its users. A node without edges receives 0.

    The two square roots are applied before and after the sum, so that an edge needs no
    weight. Of TensorFlow's sums, ``segment_sum`` over gathered rows, which XLA can
    compile, takes three times the CPU time of this one.
    """

    def __init__(self, interactions: Interactions):
        """Sorts the edges by user and by item."""
        by_item = interactions.transposed()
        self.by_user, self.by_item = _Sums(interactions), _Sums(by_item)

    def layers_sum(self, user: tf.Tensor, item: tf.Tensor, num_layers: int) -> Vectors:
        """Returns the sum of layers 1 to K, given layer 0.

        Args:
            user: Vectors of all users, [U, D].
            item: Vectors of all items, [V, D].
            num_layers: K, at least 1.

        Returns:
            Vectors of all users and of all items, in float32.
        """

        def propagated(user: tf.Tensor, item: tf.Tensor) -> Vectors:
            user_sum, item_sum = tf.zeros_like(user), tf.zeros_like(item)
            for _ in range(num_layers):
                user, item = self.by_user(item), self.by_item(user)
                user_sum, item_sum = user_sum + user, item_sum + item
            return user_sum, item_sum

        @tf.custom_gradient
        def symmetric(user: tf.Tensor, item: tf.Tensor) -> tuple[Vectors, object]:
            # The matrix of the map is symmetric, so that it is its own gradient.
            return propagated(user, item), propagated

        return symmetric(tf.cast(user, tf.float32), tf.cast(item, tf.float32))


class _Sums:
    """Normalised sums over the neighbours of each node on one side of the graph."""

    def __init__(self, interactions: Interactions):
        self.node = tf.constant(interactions.user_index)
        self.neighbour = tf.constant(interactions.item_index)
        self.num_nodes = interactions.num_users
        self.scale = _scale(interactions.user_index, interactions.num_users)
        self.neighbour_scale = _scale(interactions.item_index, interactions.num_items)

    def __call__(self, neighbours: tf.Tensor) -> tf.Tensor:
        """Returns a vector [N, D] for each node, given those of the other side."""
        sums = tf.sparse.segment_sum(
            self.neighbour_scale * neighbours,
            self.neighbour,
            self.node,
            num_segments=self.num_nodes,
        )
        return self.scale * sums


def _scale(index: Indices, num_nodes: int) -> tf.Tensor:
    """Returns 1 / sqrt(number of edges) for each node, [N, 1]."""
    degree = np.maximum(np.bincount(index, minlength=num_nodes), 1)
    return tf.constant(degree[:, np.newaxis] ** -0.5, tf.float32)
