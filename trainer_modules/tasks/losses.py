"""Losses of scores [B, C] and labels [B, C]; a training step minimises their mean.

The losses that learn an order take the first column as the positive item, and the other
columns as items that were drawn against it. Those of the tasks ``sequence`` and
``in_batch`` take scores of positives [T] and of what they are compared with [T, N].
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from trainer_modules.configs.base import Loss

LossFunction = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
IMPOSSIBLE = -1e9  # the score of a candidate that a target is not compared with


def cross_entropy(score: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Returns the binary cross-entropy of logits, [B, C].

    He et al. 2017 (https://arxiv.org/abs/1708.05031), equation 7.
    """
    return tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(label, score.dtype), score)


def balanced_cross_entropy(score: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Returns [B] losses in which a positive weighs as much as all its negatives."""
    loss = cross_entropy(score, label)  # [B, C]
    return (loss[:, 0] + tf.reduce_mean(loss[:, 1:], 1)) / 2


def squared_error(score: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Returns the squared errors of stars, [B, C]."""
    return tf.math.squared_difference(score, tf.cast(label, score.dtype))


def bpr(score: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Returns the Bayesian personalised ranking loss, [B, C - 1].

    Rendle et al. 2009 (https://arxiv.org/abs/1205.2618), section 4.1.
    """
    return tf.nn.softplus(score[:, 1:] - score[:, :1])


def hinge(score: tf.Tensor, label: tf.Tensor, margin: float = 0.5) -> tf.Tensor:
    """Returns by how much drawn items come within a margin of the positive.

    Zhang et al. 2018 (https://arxiv.org/abs/1808.06414), equation 11.

    Args:
        score: Scores, [B, C], the positive first.
        label: Unused: the first column is the positive.
        margin: By how much the positive must lead.

    Returns:
        Losses, [B, C - 1].
    """
    return tf.nn.relu(margin + score[:, 1:] - score[:, :1])


def warp(score: tf.Tensor, label: tf.Tensor, num_items: int) -> tf.Tensor:
    """Returns the weighted approximate-rank pairwise loss, [B].

    Weston, Bengio, Usunier 2011 (https://www.ijcai.org/Proceedings/11/Papers/460.pdf),
    section 3, algorithm 1. The columns after the first are trials. If the N-th trial is
    the first that scores within 1 of the positive item, about (num_items - 1) / N items
    are ranked before the positive. The loss is how far that trial exceeds the margin,
    times the logarithm of that rank (LightFM's weight; the paper sums 1 / j up to it).

    Args:
        score: Scores, [B, C], the positive first.
        label: Unused: the first column is the positive.
        num_items: Number of items that can be ranked.
    """
    excess = tf.nn.relu(1 + score[:, 1:] - score[:, :1])  # [B, N]
    violates = tf.cast(excess > 0, tf.int32)
    trial = tf.argmax(violates, 1, output_type=tf.int32)  # the first; 0 if none does
    rank = tf.cast((num_items - 1) // (trial + 1), score.dtype)
    weight = tf.math.log(tf.maximum(rank, 1))
    return weight * tf.gather(excess, trial, batch_dims=1)


def softmax(positive: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Returns cross-entropies of a positive among all candidates, [T].

    Klenitskiy and Vasilev 2023 (https://arxiv.org/abs/2309.07602), section 4.

    Args:
        positive: Scores of the positives, [T].
        others: Scores of the other candidates, [T, N].
    """
    # The logarithm of the sum of all exponentials, less the positive.
    return tf.nn.softplus(tf.reduce_logsumexp(others, 1) - positive)


def gbce(
    positive: tf.Tensor, others: tf.Tensor, num_items: int, calibration: float = 0.75
) -> tf.Tensor:
    """Returns [T] binary cross-entropies that sampling does not make overconfident.

    gBCE of Petrov and Macdonald 2023 (https://arxiv.org/abs/2308.07192): the positive's
    probability is raised to the power of beta.

    Args:
        positive: Logits of the positives, [T].
        others: Logits of the sampled items, [T, N].
        num_items: Number of items that can be sampled.
        calibration: Parameter t: 0 is plain cross-entropy; with 1, probabilities are
            as high as they would be without sampling.
    """
    share = tf.cast(tf.shape(others)[1], others.dtype) / (num_items - 1)  # alpha
    beta = share * (calibration * (1 - 1 / share) + 1 / share)
    return beta * tf.nn.softplus(-positive) + tf.reduce_sum(tf.nn.softplus(others), 1)


def loss_named(name: Loss, num_items: int) -> LossFunction:
    """Returns a loss by its name.

    Args:
        name: Name in the configuration.
        num_items: Number of items that can be ranked, which ``warp`` reads.
    """
    losses: dict[Loss, LossFunction] = {
        "cross_entropy": cross_entropy,
        "balanced_cross_entropy": balanced_cross_entropy,
        "squared_error": squared_error,
        "bpr": bpr,
        "hinge": hinge,
        "warp": functools.partial(warp, num_items=num_items),
        "softmax": softmax,
        "gbce": functools.partial(gbce, num_items=num_items),
    }
    return losses[name]
