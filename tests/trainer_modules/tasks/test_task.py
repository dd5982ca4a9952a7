"""Batches that every task shuffles alike, and one step of gradient descent."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import one_batch
from trainer_modules import features as f
from trainer_modules.tasks import losses, task
from trainer_modules.tasks.task import Trainee, shuffled_batches, user_features


def rows_of_epochs(num_rows, batch_size, seed, count):
    """[count, steps, B]."""
    batches_from, steps, size = shuffled_batches(
        num_rows, batch_size, seed, lambda step, rows, size: {"rows": rows}
    )
    batches = batches_from(0)
    taken = [b["rows"].numpy() for b in itertools.islice(batches, count * steps)]
    return np.reshape(taken, [count, steps, size])


@pytest.mark.parametrize("num_rows", [1200, 1211])
def test_each_row_is_in_an_epoch_once(num_rows):
    for epoch in rows_of_epochs(num_rows, 12, seed=0, count=3):
        rows = epoch.ravel()
        assert len(rows) == 1200  # the rest does not fill a batch
        assert len(set(rows.tolist())) == len(rows)
        assert rows.min() >= 0
        assert rows.max() < num_rows


@pytest.mark.parametrize("num_rows", [1200, 1211, 1260])
def test_rows_are_shuffled_in_parts_that_each_epoch_puts_together_anew(
    num_rows, monkeypatch
):
    monkeypatch.setattr(task, "SHUFFLED_ROWS", 500)
    monkeypatch.setattr(task, "SHARD_ROWS", 50)  # four batches of 12
    together = set()
    for epoch in rows_of_epochs(num_rows, 12, seed=0, count=3):
        rows = epoch.ravel().tolist()
        assert len(set(rows)) == len(rows) == num_rows // 12 * 12
        assert set(rows) <= set(range(num_rows))
        first = rows[:432]  # of the first ten shards, of which one may be shorter
        shards = {row // 48 for row in first}
        assert len(shards) <= 10
        assert first != sorted(first)
        together.add(frozenset(shards))
    assert len(together) == 3


def test_batches_go_on_within_a_part(monkeypatch):
    monkeypatch.setattr(task, "SHUFFLED_ROWS", 500)
    monkeypatch.setattr(task, "SHARD_ROWS", 50)
    batches_from, steps, _ = shuffled_batches(1260, 12, 0, lambda step, rows, _: rows)
    everything = [*itertools.islice(batches_from(0).as_numpy_iterator(), 3 * steps)]
    for first in (1, 40, steps, 2 * steps + 41):
        later = itertools.islice(batches_from(first).as_numpy_iterator(), 30)
        np.testing.assert_array_equal([*later], everything[first : first + 30])


def test_a_seed_repeats_its_order_and_no_epoch_repeats_another():
    first, second = rows_of_epochs(1200, 12, seed=0, count=2)
    np.testing.assert_array_equal(rows_of_epochs(1200, 12, seed=0, count=1)[0], first)
    [other] = rows_of_epochs(1200, 12, seed=1, count=1)
    for one, another in ((first, second), (first, other)):
        assert (one != another).mean() > 0.9


@pytest.mark.parametrize(
    ("num_rows", "batch_size", "expected"),
    [(100_000, 64, 64), (1211, 4096, 12), (99, 4096, 1), (1, 4096, 1)],
)
def test_few_data_get_smaller_batches_and_so_enough_steps(
    num_rows, batch_size, expected
):
    batches_from, steps, size = shuffled_batches(
        num_rows, batch_size, 0, lambda step, rows, size: {"rows": rows}
    )
    assert size == expected
    assert steps == num_rows // size
    assert batches_from(0).element_spec["rows"].shape == [size]


def test_steps_are_counted_on_over_the_epochs():
    batches_from, steps, _ = shuffled_batches(300, 3, 0, lambda step, rows, size: step)
    batches = batches_from(0).as_numpy_iterator()
    taken = list(itertools.islice(batches, 2 * steps + 1))
    assert taken == list(range(2 * steps + 1))


@pytest.mark.parametrize("first", [1, 99, 100, 101, 230])
def test_batches_from_a_step_on_are_those_that_follow_it(first):
    batches_from, steps, _ = shuffled_batches(
        300, 3, 0, lambda step, rows, size: (step, rows)
    )
    assert steps == 100
    everything = itertools.islice(batches_from(0).as_numpy_iterator(), first, first + 9)
    later = itertools.islice(batches_from(first).as_numpy_iterator(), 9)
    for (step, rows), (later_step, later_rows) in zip(everything, later, strict=True):
        assert step == later_step
        np.testing.assert_array_equal(rows, later_rows)


def test_a_hundredth_of_the_users_are_hidden_but_what_is_known_of_them_is_not():
    table = np.array([[0, 0], [0, 0], [3, 0], [2, 4], [5, 0]], np.int32)
    user = tf.constant([4, 2, 3, 2])
    hide = tf.constant([0.5, 0.0099, 0.0101, 0.0])
    batch = user_features(user, {"user_zip_index": table}, hide)
    assert batch[f.USER_INDEX].numpy().tolist() == [4, 1, 3, 1]
    assert batch["user_zip_index"].numpy().tolist() == table[[4, 2, 3, 2]].tolist()


class Slope(tf.keras.Model):
    """Scores with the item's index times one weight."""

    def __init__(self, decay=0.0):
        super().__init__()
        self.slope = tf.Variable(3.0)
        self.decay = decay

    def call(self, features, training=False):
        if self.decay:
            self.add_loss(self.decay * self.slope)
        return self.slope * tf.cast(features[f.ITEM_INDEX], tf.float32)


def stepped(model, loss, items, label, rate):
    trainee = Trainee(model, loss, one_batch(len(items)))
    trainee.compile(optimizer=[tf.keras.optimizers.SGD(rate)])
    told = trainee.train_step({f.ITEM_INDEX: items, f.LABEL: label})
    return model.slope.numpy(), told["loss"].numpy()


def test_a_step_follows_the_gradient_of_the_mean_loss():
    items, label = np.array([[1, 2], [3, 5]]), np.array([[1.0, 4.0], [2.0, 0.0]])
    error = 3.0 * items - label
    slope, loss = stepped(
        Slope(), losses.squared_error, tf.constant(items), tf.constant(label), 0.01
    )
    assert loss == pytest.approx((error**2).mean(), rel=1e-6)
    assert slope == pytest.approx(3 - 0.01 * (2 * error * items).mean(), rel=1e-6)


def test_a_loss_of_whole_rows_is_their_mean_too():
    items, label = tf.constant([[2, 1, 4], [1, 3, 1]]), tf.zeros([2, 3])
    _, loss = stepped(Slope(), losses.bpr, items, label, 0.0)
    away = 3.0 * np.array([1 - 2, 4 - 2, 3 - 1, 1 - 1])
    assert loss == pytest.approx(np.log1p(np.exp(away)).mean(), rel=1e-6)
    _, loss = stepped(Slope(), losses.balanced_cross_entropy, items, label, 0.0)
    entropy = np.log1p(np.exp(3.0 * np.array([[2, 1, 4], [1, 3, 1]])))
    expected = ((entropy[:, 0] + entropy[:, 1:].mean(1)) / 2).mean()
    assert loss == pytest.approx(expected, rel=1e-6)


def test_what_a_model_adds_is_minimised_and_not_told():
    items, label = tf.constant([[0], [0]]), tf.zeros([2, 1])
    slope, loss = stepped(Slope(decay=5.0), losses.squared_error, items, label, 0.1)
    assert (slope, loss) == (pytest.approx(3 - 0.1 * 5), 0)
