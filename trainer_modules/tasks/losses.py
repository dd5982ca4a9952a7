"""What a step minimises: of scores [B, C] and labels [B, C], a loss for each or a row.

The losses of an order take the first column for the positive item, and the others for
items that were drawn against it.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from trainer_modules.configs.base import Loss

LossFunction = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def cross_entropy(score: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """He et al. 2017 (https://arxiv.org/abs/1708.05031), equation 7, of logits."""
    return tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(label, score.dtype), score)


def balanced_cross_entropy(score: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """The positive counts as much as all its negatives together: [B]."""
    loss = cross_entropy(score, label)  # [B, C]
    return (loss[:, 0] + tf.reduce_mean(loss[:, 1:], 1)) / 2


def squared_error(score: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Of stars."""
    return tf.math.squared_difference(score, tf.cast(label, score.dtype))


def bpr(score: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Rendle et al. 2009 (https://arxiv.org/abs/1205.2618), section 4.1: [B, C - 1]."""
    return tf.nn.softplus(score[:, 1:] - score[:, :1])


def hinge(score: tf.Tensor, label: tf.Tensor, margin: float = 0.5) -> tf.Tensor:
    """Zhang et al. 2018 (https://arxiv.org/abs/1808.06414), equation 11: [B, C - 1]."""
    return tf.nn.relu(margin + score[:, 1:] - score[:, :1])


def warp(score: tf.Tensor, label: tf.Tensor, num_items: int) -> tf.Tensor:
    """Weston, Bengio, Usunier 2011, section 3, algorithm 1: [B].

    The other columns are trials: the first of them, the N-th, that comes within 1 of
    the positive item's score tells that (num_items - 1) / N items or so are ranked
    before it. The loss is by how much it comes too near, times the logarithm of that
    rank (LightFM's weight; the paper sums 1 / j up to it).

    https://www.ijcai.org/Proceedings/11/Papers/460.pdf
    """
    excess = tf.nn.relu(1 + score[:, 1:] - score[:, :1])  # [B, N]
    violates = tf.cast(excess > 0, tf.int32)
    trial = tf.argmax(violates, 1, output_type=tf.int32)  # the first, or 0
    rank = tf.cast((num_items - 1) // (trial + 1), score.dtype)
    weight = tf.math.log(tf.maximum(rank, 1))
    return weight * tf.gather(excess, trial, batch_dims=1)


def loss_named(name: Loss, num_items: int) -> LossFunction:
    """The loss of a configuration, over so many items."""
    losses: dict[Loss, LossFunction] = {
        "cross_entropy": cross_entropy,
        "balanced_cross_entropy": balanced_cross_entropy,
        "squared_error": squared_error,
        "bpr": bpr,
        "hinge": hinge,
        "warp": functools.partial(warp, num_items=num_items),
    }
    return losses[name]
