"""What workers exchange within a step, beside the gradients that their strategy sums.

The strategy's own functions cannot be called in loops, such as that over the blocks of
a catalogue. Every worker must execute the same calls with tensors of the same shape.
"""

import itertools
from typing import Any

import tensorflow as tf

# The groups and the calls of the strategy have smaller keys, which begin at 1 and 100.
GROUP_KEY, FIRST_INSTANCE = 1 << 20, 1 << 20

_instances = itertools.count(FIRST_INSTANCE)


def gathered(value: tf.Tensor, num_workers: int) -> tf.Tensor:
    """Returns the tensors [N, ...] of all workers, the chief's first, [W N, ...]."""
    return tf.raw_ops.CollectiveGatherV2(input=value, **_call(num_workers))


def summed(value: tf.Tensor, num_workers: int) -> tf.Tensor:
    """Returns the sum of the tensors of all workers.

    Its gradient is the sum of theirs, as each worker's loss depends on every tensor.
    """

    @tf.custom_gradient
    def differentiable(own: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def sum_of(part: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.CollectiveReduceV2(
                input=part, merge_op="Add", final_op="Id", **_call(num_workers)
            )

        return sum_of(own), sum_of

    return differentiable(value)


def _call(num_workers: int) -> dict[str, Any]:
    """Returns the arguments of a call, which is the same one on all workers."""
    return {
        "group_size": num_workers,
        "group_key": GROUP_KEY,
        "instance_key": next(_instances),
        "ordering_token": [],
        # On GPUs, too: NCCL needs one order of all calls, the strategy's included.
        "communication_hint": "ring",
    }
