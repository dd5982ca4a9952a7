"""Matrix factorisation whose vectors are smoothed along the graph of the likes.

He, Deng, Wang, Li, Zhang, Wang: "LightGCN: Simplifying and Powering Graph Convolution
Network for Recommendation", SIGIR 2020, https://arxiv.org/abs/2002.02126, sections
"Light Graph Convolution" and "Layer Combination and Model Prediction".
Differs from the paper: initial vectors are normally distributed; a step uses more pairs
(``LightGCNConfig``), as each one propagates the vectors of all users and items.
Shapes: B batch, C candidates, D embedding, U users, V items.
"""

import numpy as np
import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.factorization import LightGCNConfig
from trainer_modules.interactions import Interactions
from trainer_modules.layers.dot_product import dot_product
from trainer_modules.layers.id_embeddings import IdEmbeddings
from trainer_modules.layers.interaction_graph import InteractionGraph
from trainer_modules.sizes import Sizes


class LightGCN(tf.keras.Model):
    """score(u, i) = <e_u, e_i>, each the mean of the vectors of layers 0 to K."""

    def __init__(self, config: LightGCNConfig, sizes: Sizes):
        super().__init__()
        dim, self.num_layers = config.embedding_dim, config.num_layers
        self.own = IdEmbeddings(sizes, dim, config.stddev, config.l2)  # layer 0
        # The sum of layers 1 to K, which scores without the graph; 0 without edges.
        self.received = IdEmbeddings(sizes, dim, stddev=0.0)
        self.received.trainable = False
        for table in (self.own, self.received):
            table.user.build(None)
            table.item.build(None)
        nothing = np.zeros(0, np.int32)
        self.connect(Interactions(nothing, nothing, sizes.num_users, sizes.num_items))

    def connect(self, interactions: Interactions) -> None:
        """Sets the edges along which training propagates."""
        self.graph = InteractionGraph(interactions)

    def propagate(self) -> None:
        """Updates what scoring reads, from the present vectors of layer 0."""
        user, item = self._propagated()  # [U, D], [V, D]
        self.received.user.embeddings.assign(user)
        self.received.item.embeddings.assign(item)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]."""
        own = self.own(features, training=training)  # [B, D], [., C, D]
        if training:
            users, items = self._propagated()  # [U, D], [V, D]
            received = (
                tf.gather(users, features[f.USER_INDEX]),
                tf.gather(items, features[f.ITEM_INDEX]),
            )
        else:
            received = self.received(features)  # [B, D], [., C, D]
        user, item = (
            (tf.cast(layer_0, tf.float32) + tf.cast(others, tf.float32))
            / (self.num_layers + 1)
            for layer_0, others in zip(own, received, strict=True)
        )
        return dot_product(user, item)  # [B, C]

    def _propagated(self) -> tuple[tf.Tensor, tf.Tensor]:
        return self.graph.layers_sum(
            self.own.user.embeddings, self.own.item.embeddings, self.num_layers
        )
