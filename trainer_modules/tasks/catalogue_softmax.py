"""The softmax of many states over a catalogue, without a matrix of all scores.

As in Liger Kernel's fused linear cross-entropy
(https://github.com/linkedin/Liger-Kernel): the scores of a block of states give their
part of the loss and of its gradients, and are dropped. "Faster and Memory-Efficient
Training of Sequential Recommendation Models for Large Catalogs"
(https://arxiv.org/abs/2509.09682) does so for recommenders on a GPU. On a CPU, the
scores of a block stay in the cache.
"""

from collections.abc import Callable

import tensorflow as tf

from trainer_modules.tasks.losses import IMPOSSIBLE

# With a catalogue of 4,000 items, the scores of a block take 8 MB, about the cache of a
# core. A GPU computes more at a time.
STATES_PER_BLOCK, STATES_PER_BLOCK_ON_GPU = 512, 8192


def summed_logsumexp(
    state: tf.Tensor,
    candidate: tf.Tensor,
    weight: tf.Tensor,
    left_out: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> tf.Tensor:
    """Returns the weighted sum of the logarithms of the softmax's denominators.

    Args:
        state: States, [P, D].
        candidate: Vectors of all candidates, [N, D].
        weight: How much each state counts, [P] float32. Those with the weight 0 take no
            time.
        left_out: Returns which candidates, [S, N], are left out of the denominators of
            the states with the numbers [S]; None if all of them count.

    Returns:
        The sum of w_p log(sum_n exp(<s_p, m_n>)) over p, a float32 scalar.
    """
    is_on_gpu = bool(tf.config.list_logical_devices("GPU"))
    size = STATES_PER_BLOCK_ON_GPU if is_on_gpu else STATES_PER_BLOCK
    # States that count come first, and padding last: all blocks have the same size, as
    # XLA needs it, and only their number varies.
    order = tf.argsort(tf.cast(weight == 0, tf.int32), stable=True)
    weights = tf.pad(tf.gather(weight, order), [[0, size]])
    order = tf.pad(order, [[0, size]])
    num_counted = tf.math.count_nonzero(weight, dtype=tf.int32)

    # What follows a scalar only scales its gradients, so that these can be computed
    # along with it.
    @tf.custom_gradient
    def summed(
        state: tf.Tensor, candidate: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        dtype = state.dtype
        # A persistent tape would differentiate the loop nevertheless, and keep all that
        # it computes.
        state, candidate = tf.stop_gradient(state), tf.stop_gradient(candidate)

        def add_block(
            start: tf.Tensor, total: tf.Tensor, by_state: tf.Tensor, by_item: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            row = tf.slice(order, [start], [size])
            counted = tf.slice(weights, [start], [size])[:, tf.newaxis]
            some = tf.gather(state, row)
            score = tf.cast(tf.matmul(some, candidate, transpose_b=True), tf.float32)
            if left_out:
                score = tf.where(left_out(row), IMPOSSIBLE, score)
            top = tf.reduce_max(score, 1, keepdims=True)
            share = tf.exp(score - top)
            whole = tf.reduce_sum(share, 1, keepdims=True)
            total += tf.reduce_sum(counted * (tf.math.log(whole) + top))
            share, counted = tf.cast(share, dtype), counted / whole
            mean = counted * tf.cast(tf.matmul(share, candidate), tf.float32)
            some = tf.cast(counted * tf.cast(some, tf.float32), dtype)
            of_items = tf.matmul(share, some, transpose_a=True)
            return (
                start + size,
                total,
                tf.tensor_scatter_nd_add(by_state, row[:, tf.newaxis], mean),
                by_item + tf.cast(of_items, tf.float32),
            )

        zeros = [tf.zeros(tf.shape(of)) for of in (state, candidate)]
        _, total, by_state, by_item = tf.while_loop(
            lambda start, *_: start < num_counted,
            add_block,
            [tf.constant(0), tf.constant(0.0), *zeros],
        )
        return total, lambda scale: (
            tf.cast(scale * by_state, dtype),
            tf.cast(scale * by_item, dtype),
        )

    return summed(state, candidate)
