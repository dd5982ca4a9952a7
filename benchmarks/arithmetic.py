"""How near training is to what the machine can multiply.

Products of matrices are the one part of a training step that no implementation avoids.
Their number, times the rows/s, is compared with the rate at which this machine
multiplies matrices of the same layers' size, alone.
"""

import math
import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

from benchmarks.figures import Figure
from trainer_modules.configs.base import GradientConfig
from trainer_modules.inputs import Data
from trainer_modules.optimizers import compiled
from trainer_modules.training import TRAINING_SETS

ROWS, UNITS = 4096, 256  # of the products that are timed: a batch and a layer
SECONDS = 2.0


def product_rate() -> float:
    """Returns the floating-point operations/s of products [4096, 256] x [256, 256]."""

    @tf.function
    def product(value: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        for _ in range(32):
            value = tf.matmul(value, kernel)
        return value

    value = tf.random.stateless_uniform([ROWS, UNITS], [1, 2])
    kernel = tf.random.stateless_uniform([UNITS, UNITS], [3, 4]) / UNITS
    product(value, kernel)
    fastest, until = math.inf, time.monotonic() + SECONDS
    while (started := time.monotonic()) < until:
        product(value, kernel).numpy()
        fastest = min(fastest, time.monotonic() - started)
    return 32 * 2.0 * ROWS * UNITS * UNITS / fastest


def operations_per_pair(
    model: tf.keras.Model, config: GradientConfig, data: Data
) -> float:
    """Returns the operations in the products of a training step, by scored pair.

    They are counted in the graph of the step, forward and backward.
    """
    training_set = TRAINING_SETS[config.task](data, data.train_ratings, config, 0)
    trainee = compiled(model, config, data.sizes, training_set)
    specs = training_set.batches.element_spec
    graph = tf.function(trainee.train_step).get_concrete_function(specs).graph
    total = sum(map(_operations, _all_operations(graph)))
    return total / (training_set.batch_size * training_set.num_candidates)


def shares_of_the_rate(
    speeds: Mapping[str, Sequence[float]],
    trained: Mapping[str, tuple[tf.keras.Model, GradientConfig]],
    data: Data,
) -> list[Figure]:
    """Returns the share of the machine's product rate that each of our models uses.

    Args:
        speeds: ``NAME, ours`` → pairs/s of each round, as for ``figures.beside``.
        trained: NAME → a model like the one that was trained, and its settings.
        data: What it was trained on.
    """
    rate = product_rate()
    return [
        Figure(
            f"{name}, ours: share of {rate / 1e9:.0f} GFLOP/s",
            100
            * statistics.median(speeds[f"{name}, ours"])
            * operations_per_pair(model, config, data)
            / rate,
            "%",
        )
        for name, (model, config) in trained.items()
    ]


def _all_operations(graph: tf.Graph) -> Iterator[tf.Operation]:
    yield from graph.get_operations()
    for function in graph._functions.values():  # of nested tf.functions
        yield from function.graph.get_operations()


def _operations(op: tf.Operation) -> float:
    """Returns two for each multiplication of two elements; 0 for other operations."""
    if op.type in ("MatMul", "BatchMatMulV2"):
        inner = op.inputs[0].shape[-1]
        transposed = "transpose_a" if op.type == "MatMul" else "adj_x"
        if op.get_attr(transposed):
            inner = op.inputs[0].shape[-2]
        return 2.0 * op.outputs[0].shape.num_elements() * inner
    if op.type == "Einsum":
        letters = re.split(",|->", op.get_attr("equation").decode())
        sizes = {}
        for axes, tensor in zip(letters, [*op.inputs, *op.outputs], strict=True):
            sizes |= dict(zip(axes, tensor.shape, strict=True))
        return 2.0 * math.prod(sizes.values())
    return 0.0
