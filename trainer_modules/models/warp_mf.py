"""Matrix factorisation over ids and side features, learned by WARP.

Weston, Bengio, Usunier: "WSABIE: Scaling Up To Large Vocabulary Image Annotation",
IJCAI 2011, section 3 and algorithm 1 (``losses.warp``); applied to users and items as
in Kula: "Metadata Embeddings for User and Item Cold-start Recommendations", 2015,
https://arxiv.org/abs/1507.08439, section 3.1 (LightFM).
Differs from the papers: all trials are drawn and scored at once; the lengths of the
vectors are not bounded, but those of a batch decay; a field with several values is
represented by their mean.
Shapes: B batch, C candidates, F fields, D embedding.
"""

import tensorflow as tf

from trainer_modules import features as f
from trainer_modules.configs.factorization import WARPMFConfig
from trainer_modules.layers.decay import decay
from trainer_modules.layers.dot_product import dot_product
from trainer_modules.layers.field_embeddings import FieldEmbeddings
from trainer_modules.sizes import Sizes


class WARPMF(tf.keras.Model):
    """score(u, i) = <sum_f p_f, sum_g q_g> + sum_f b_f + sum_g b_g; f of u, g of i."""

    def __init__(self, config: WARPMFConfig, sizes: Sizes):
        super().__init__()
        self.l2 = config.l2
        # The last number of each vector is the bias, which starts at 0.
        self.embeddings = FieldEmbeddings(
            sizes, config.embedding_dim + 1, config.stddev, num_zeros=1
        )

    def call(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns scores [B, C]."""
        user = tf.reduce_sum(self.embeddings.of_users(features), -2)  # [B, D + 1]
        index = features[f.ITEM_INDEX]  # [B, C] or [1, C]
        # A batch repeats few items many times: the N distinct ones are summed once.
        distinct, place = tf.unique(tf.reshape(index, [-1]))
        items = tf.reduce_sum(self.embeddings.of_items(distinct), -2)  # [N, D + 1]
        item = tf.gather(items, tf.reshape(place, tf.shape(index)))  # [.., C, D + 1]
        if training and self.l2:
            self.add_loss(decay(self.l2, user, item))
        product = dot_product(user[:, :-1], item[..., :-1])  # [B, C]
        score = product + user[:, -1:] + item[..., -1]  # [B, C]
        return tf.cast(score, tf.float32)
