"""XLA compiles each model's training step, which then learns the same."""

import dataclasses

import pytest
import tensorflow as tf

from tests.support.models import build, configure
from trainer_modules.optimizers import compiled
from trainer_modules.registry import MODELS
from trainer_modules.training import TRAINING_SETS

FITTED = [name for name, spec in MODELS.items() if spec.is_fitted]
NOT_RANDOM = {"dropout_rate": 0.0, "id_dropout_rate": 0.0}  # XLA draws other numbers
# What XLA lacks saves the CPU most of the work: tf.unique of ``warp_mf``, whose size is
# unknown, and tf.sparse.segment_sum of ``light_gcn``, which GPUs have.
NOT_COMPILED = ("warp_mf", "light_gcn")
LACKING = pytest.mark.xfail(raises=tf.errors.InvalidArgumentError, strict=True)


def loss_of_two_steps(name, data, jit_compile):
    """Returns the mean loss of two steps on the same batch."""
    settings = dataclasses.asdict(configure(name, {}))
    fixed = {key: value for key, value in NOT_RANDOM.items() if key in settings}
    config = configure(name, fixed)
    model = build(name, data.sizes, **fixed)
    training_set = TRAINING_SETS[config.task](data, data.train_ratings, config, 0)
    batch = next(iter(training_set.batches))
    trainee = compiled(model, config, data.sizes, training_set)
    training_set.losses(model, batch, trainee.loss_function)  # makes the weights
    for optimizer, variables in trainee._optimized():
        optimizer.build(variables)  # XLA's steps make no variables

    @tf.function(jit_compile=jit_compile)
    def step():
        return trainee.train_step(batch)["loss"]

    step()
    return step().numpy()


@pytest.mark.integration
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=LACKING) if name in NOT_COMPILED else name
        for name in FITTED
    ],
)
def test_a_compiled_step_learns_the_same(name, planted):
    expected = loss_of_two_steps(name, planted.data, jit_compile=False)
    found = loss_of_two_steps(name, planted.data, jit_compile=True)
    assert found == pytest.approx(expected, rel=1e-4)
