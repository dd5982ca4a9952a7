"""A factorisation machine of order two: a weight per value, a product per pair.

Rendle: "Factorization Machines", ICDM 2010, https://doi.org/10.1109/ICDM.2010.127,
equation 1, computed in time linear in the fields by lemma 3.1.
Differs from the paper: a field with several values is represented by their mean.
Shapes: B batch, C candidates, F fields, D embedding.
"""

import tensorflow as tf

from trainer_modules.configs.fields import FMConfig
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.layers.linear_terms import LinearTerms
from trainer_modules.layers.pairwise_products import sum_of_pairwise_products
from trainer_modules.sizes import Sizes


class FM(tf.keras.Model):
    """score(u, i) = w_0 + sum_f w_f + sum_{f < g} <v_f, v_g>."""

    def __init__(self, config: FMConfig, sizes: Sizes):
        super().__init__()
        self.linear = LinearTerms(sizes)
        self.embeddings = FieldEmbeddings(sizes, config.embedding_dim, l2=config.l2)

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        fields = self.embeddings(features, training=training)  # [B, C, F, D]
        return self.linear(features) + sum_of_pairwise_products(fields)  # [B, C]
