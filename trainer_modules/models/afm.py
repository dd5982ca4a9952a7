"""A factorisation machine that weights pairs of fields by attention.

Xiao, Ye, He, Zhang, Wu, Chua: "Attentional Factorization Machines: Learning the Weight
of Feature Interactions via Attention Networks", IJCAI 2017,
https://arxiv.org/abs/1708.04617, equations 2 to 6 and 10.
Differs from the paper: p starts at P, which makes the model a factorisation machine as
long as attention is even (the paper trains one first); dropout in the attention network
is possible; with only two fields, their one pair has the weight 1 and there is no
attention network.
Shapes: B batch, C candidates, F fields, P pairs of fields, D embedding.
"""

import tensorflow as tf

from trainer_modules.configs.fields import AFMConfig
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.layers.linear_terms import LinearTerms
from trainer_modules.layers.pairwise_products import pairwise_products
from trainer_modules.sizes import Sizes


class AFM(tf.keras.Model):
    """score(u, i) = w_0 + sum_f w_f + p^T sum_{f < g} a_fg (v_f * v_g)."""

    def __init__(self, config: AFMConfig, sizes: Sizes):
        super().__init__()
        self.linear = LinearTerms(sizes)
        self.embeddings = FieldEmbeddings(sizes, config.embedding_dim, l2=config.l2)
        self.attention = (
            PairAttention(
                config.attention_units,
                config.attention_dropout_rate,
                config.attention_l2,
            )
            if sizes.num_fields > 2
            else tf.keras.layers.Lambda(lambda pairs: tf.ones_like(pairs[..., :1]))
        )
        self.dropout = tf.keras.layers.Dropout(config.dropout_rate)
        num_pairs = sizes.num_fields * (sizes.num_fields - 1) // 2
        self.prediction = tf.keras.layers.Dense(
            1,
            use_bias=False,
            kernel_initializer=tf.keras.initializers.Constant(num_pairs),
            dtype=tf.float32,
        )

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits [B, C]."""
        fields = self.embeddings(features, training=training)  # [B, C, F, D]
        pairs = pairwise_products(fields)  # [B, C, P, D]
        attention = self.attention(pairs, training=training)  # [B, C, P, 1]
        pooled = tf.reduce_sum(attention * pairs, 2)  # [B, C, D]
        hidden = self.dropout(pooled, training=training)  # [B, C, D]
        return self.linear(features) + self.prediction(hidden)[..., 0]  # [B, C]


class PairAttention(tf.keras.layers.Layer):
    """Weights pairs by softmax of h^T ReLU(W (v_f * v_g) + b), equation 5."""

    def __init__(self, units: int, dropout_rate: float, l2: float):
        super().__init__()
        self.hidden = tf.keras.layers.Dense(
            units, "relu", kernel_regularizer=tf.keras.regularizers.L2(l2)
        )
        self.dropout = tf.keras.layers.Dropout(dropout_rate)
        self.score = tf.keras.layers.Dense(1, use_bias=False)

    def call(self, pairs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns weights [..., P, 1] of the pairs [..., P, D]; they add up to 1."""
        hidden = self.dropout(self.hidden(pairs), training=training)
        return tf.nn.softmax(self.score(hidden), -2)
