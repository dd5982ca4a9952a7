"""Buckets of the time between two positions, and a learned weight for each bucket."""

from collections.abc import Callable

import tensorflow as tf

# As in ``RelativeBucketedTimeAndPositionBasedBias`` of the code of Zhai et al. 2024
# (https://github.com/facebookresearch/generative-recommenders): a bucket is 35 % longer
# than the one before, so that a minute is in bucket 13 and a year in bucket 57.
NUM_BUCKETS = 128
LOG_WIDTH = 0.301


def time_buckets(time: tf.Tensor) -> tf.Tensor:
    """Returns the bucket of the time between each two positions.

    It is floor(ln(max(1, |t_i - t_j|)) / 0.301), and at most 127.

    Args:
        time: Seconds UTC, [B, L].

    Returns:
        Buckets, [B, L, L] int32.
    """
    between = tf.abs(time[:, :, tf.newaxis] - time[:, tf.newaxis])
    log = tf.math.log(tf.cast(tf.maximum(between, 1), tf.float32))
    return tf.minimum(tf.cast(log / LOG_WIDTH, tf.int32), NUM_BUCKETS - 1)


def weights_of(weight: tf.Variable, bucket: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns the weight of each bucket.

    Args:
        weight: A weight for each bucket, [NUM_BUCKETS] float32.
        bucket: Buckets, [B, L, L].
        dtype: Type of the result.

    Returns:
        Weights, [B, L, L]. Their gradient is a histogram: that of ``tf.gather`` sorts
        all buckets, which takes the CPU five times as long.
    """

    @tf.custom_gradient
    def looked_up(table: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.DenseBincount(
                input=tf.reshape(bucket, [-1]),
                size=NUM_BUCKETS,
                weights=tf.reshape(tf.cast(upstream, tf.float32), [-1]),
            )

        return tf.gather(tf.cast(table, dtype), bucket), gradient

    return looked_up(tf.convert_to_tensor(weight))
