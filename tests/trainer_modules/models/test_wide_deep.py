"""Wide & Deep: the average of two parts, each with its own optimizer."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support import with_fields
from tests.support.models import one_batch
from trainer_modules import features as f
from trainer_modules.tasks.losses import cross_entropy
from trainer_modules.tasks.task import Trainee


def test_score_is_the_average_of_both_parts():
    model = with_fields.model("wide_deep", embedding_dim=3, hidden_units=(6, 5))
    joined = with_fields.vectors(model.embeddings).reshape([3, 2, -1])
    hidden = with_fields.tower(model.tower, joined)
    deep = hidden @ model.prediction.kernel.numpy() + model.prediction.bias.numpy()
    wide = with_fields.linear(model.wide)
    expected = np.mean([wide, deep[..., 0]], 0)
    np.testing.assert_allclose(model(with_fields.PAIRS), expected, rtol=1e-4)


def test_says_which_optimizer_the_wide_part_has():
    model = with_fields.model("wide_deep", wide_learning_rate=0.5)
    assert model.optimized_apart == [(model.wide, "ftrl", 0.5)]


@pytest.mark.parametrize("rates", [(0.0, 0.5), (0.5, 0.0)], ids=["wide", "deep"])
def test_each_optimizer_moves_its_own_part_alone(rates):
    model = with_fields.model(
        "wide_deep", embedding_dim=3, hidden_units=(6,), dropout_rate=0.0, l2=0.0
    )
    label = tf.constant([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    before = [weight.numpy() for weight in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(cross_entropy(model(with_fields.PAIRS), label))
    gradients = tape.gradient(loss, model.trainable_variables)

    trainee = Trainee(model, cross_entropy, one_batch(3), parts=[model.wide])
    trainee.compile(optimizer=[tf.keras.optimizers.SGD(rate) for rate in rates])
    trainee.train_step({**with_fields.PAIRS, f.LABEL: label})

    wide = {id(weight) for weight in model.wide.trainable_variables}
    assert len(wide) == 5  # the tables of four fields, and the bias
    for weight, was, gradient in zip(
        model.trainable_variables, before, gradients, strict=True
    ):
        rate = rates[id(weight) in wide]
        expected = was - rate * tf.convert_to_tensor(gradient).numpy()
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-6)
