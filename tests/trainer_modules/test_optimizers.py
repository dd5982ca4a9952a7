"""Optimizers of our own, and how a model is compiled with them, by loops in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build
from trainer_modules import features as f
from trainer_modules import optimizers
from trainer_modules.configs.factorization import GMFConfig
from trainer_modules.configs.sequence import AttRecConfig
from trainer_modules.fused_adam import FusedAdam
from trainer_modules.models.attrec import AttRec
from trainer_modules.optimizers import compiled
from trainer_modules.sizes import Sizes
from trainer_modules.tasks.task import TrainingSet

SIZES = Sizes(num_users=5, num_items=6)
ROWS = [[0, 3, 3], [3, 1, 0], [2, 2, 2], [0, 1, 4]]  # of each step; 5 has none


def test_adam_moves_the_rows_outside_a_batch_too():
    random = np.random.default_rng(0)
    start = random.normal(size=[6, 3])
    gradients = random.normal(size=[len(ROWS), 3, 3])
    table, bias = tf.Variable(start, dtype=tf.float32), tf.Variable([0.5, -1.0, 2.0])
    optimizer = FusedAdam(0.01)
    optimizer.build([table, bias])
    for rows, gradient in zip(ROWS, gradients.astype(np.float32), strict=True):
        sparse = tf.IndexedSlices(gradient, rows, [6, 3])
        optimizer.apply_gradients([(sparse, table), (gradient[0], bias)])

    def expected(value, gradient_of_step):
        """Kingma and Ba 2015, algorithm 1, in the order that ends section 2."""
        value, m, v = np.array(value), 0.0, 0.0
        for step, gradient in enumerate(gradient_of_step, start=1):
            m = 0.9 * m + 0.1 * gradient
            v = 0.999 * v + 0.001 * gradient**2
            rate = 0.01 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            value = value - rate * m / (np.sqrt(v) + 1e-7)
        return value

    dense = np.zeros([len(ROWS), 6, 3])
    for step, rows in enumerate(ROWS):
        for place, row in enumerate(rows):
            dense[step, row] += gradients[step, place]
    np.testing.assert_allclose(table, expected(start, dense), rtol=1e-4)
    wanted = expected([0.5, -1, 2], gradients[:, 0])
    np.testing.assert_allclose(bias, wanted, rtol=1e-4)
    np.testing.assert_array_equal(table[5], start[5].astype(np.float32))


@pytest.mark.parametrize("batch_size", [1, 8])
def test_adagrad_takes_the_steps_of_single_rows(batch_size):
    # Rows that share no weights: a batch of them is as many steps of one row each, in
    # LightFM's way, whose sums of squared gradients start at 1.
    model = build("gmf", SIZES)
    config = GMFConfig(optimizer="adagrad", learning_rate=0.05)
    batch = {
        f.USER_INDEX: tf.constant([2]),
        f.ITEM_INDEX: tf.constant([[3, 4]]),
        f.LABEL: tf.constant([[1, 0]]),
    }
    batches = tf.data.Dataset.from_tensors(batch)
    training_set = TrainingSet(lambda step: batches, 1, batch_size, 2)
    [built] = compiled(model, config, SIZES, training_set).optimizer
    optimizer = type(built).from_config(built.get_config())  # for other variables
    table = tf.Variable(tf.ones([batch_size]))
    optimizer.build([table])
    of_rows = np.linspace(-2, 2, batch_size)
    wanted, squares = np.ones(batch_size), np.ones(batch_size)
    for _ in range(3):
        gradient = tf.constant(of_rows / batch_size, tf.float32)
        rows = tf.IndexedSlices(gradient, tf.range(batch_size), [batch_size])
        optimizer.apply_gradients([(rows, table)])
        squares += of_rows**2
        wanted -= 0.05 * of_rows / np.sqrt(squares)
    np.testing.assert_allclose(table, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("mode", "kind"), [("inner", "LazyAdam"), ("dist", "FusedAdam")]
)
def test_vectors_that_are_bounded_are_not_learned_lazily(monkeypatch, mode, kind):
    monkeypatch.setattr(optimizers, "MANY_ROWS", 4)
    loss = {"inner": "bpr", "dist": "hinge"}[mode]
    config = AttRecConfig(mode=mode, loss=loss, embedding_dim=2, max_history_length=2)
    batch = {
        f.USER_INDEX: tf.constant([2, 3]),
        f.HISTORY_ITEM_INDEX: tf.constant([[2, 3], [0, 4]]),
        f.ITEM_INDEX: tf.constant([[4, 5], [5, 2]]),
        f.LABEL: tf.constant([[1, 0], [1, 0]]),
    }
    batches = tf.data.Dataset.from_tensors(batch).repeat()
    made = TrainingSet(lambda step: batches, 3, 2, 2)
    model = AttRec(config, SIZES)
    trainee = compiled(model, config, SIZES, made)
    assert [type(one).__name__ for one in trainee.optimizer] == [kind]
    model.user.embeddings.assign(tf.fill([5, 2], 3.0))
    trainee.fit(batches, steps_per_epoch=1, verbose=0)
    longest = np.linalg.norm(model.user.embeddings, axis=1).max()
    assert (longest <= 1.001) == (mode == "dist")


def test_bounded_vectors_cannot_be_learned_lazily():
    with pytest.raises(ValueError, match="lazy_adam.*choose adam"):
        AttRecConfig(mode="dist", loss="hinge", optimizer="lazy_adam")
