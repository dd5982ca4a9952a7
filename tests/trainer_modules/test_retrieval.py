"""Negatives drawn exactly, and batches that repeat with their seed."""

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from trainer_modules import features as f
from trainer_modules.tasks import retrieval

pairs_of_few = st.sets(
    st.tuples(st.integers(1, 5), st.integers(1, 6)), min_size=1, max_size=25
)


def every_draw(draw, user, num_others):
    """What each of the equally large parts of [0, 1) leads to."""
    middles = (np.arange(num_others) + 0.5) / num_others
    return draw(tf.constant([user]), tf.constant([middles], tf.float32)).numpy()[0]


@settings(max_examples=60)
@given(pairs_of_few)
def test_every_item_without_a_positive_is_drawn_and_no_other(interactions, pairs):
    draw = retrieval.negative_sampler(interactions(sorted(pairs), 6, 7))
    for user in range(1, 6):
        others = sorted(set(range(1, 7)) - {item for u, item in pairs if u == user})
        if others:  # each by an equal share of [0, 1): the draw is uniform
            assert every_draw(draw, user, len(others)).tolist() == others


def test_draws_are_uniform(interactions):
    random = np.random.default_rng(0)
    liked = {u: set(random.choice(np.arange(1, 12), u, False)) for u in (3, 7, 10)}
    pairs = [(user, item) for user, items in liked.items() for item in items]
    draw = retrieval.negative_sampler(interactions(pairs, 12, 12))
    for user, items in liked.items():
        drawn = draw(
            tf.constant([user]), tf.random.stateless_uniform([1, 20000], seed=[1, 2])
        ).numpy()
        counts = np.bincount(drawn[0], minlength=12)
        others = sorted(set(range(1, 12)) - items)
        assert counts.sum() == counts[others].sum()
        expected = 20000 / len(others)
        chi_square = ((counts[others] - expected) ** 2 / expected).sum()
        freedom = len(others) - 1
        assert chi_square <= freedom + 5 * np.sqrt(2 * freedom)


def test_the_ends_of_the_uniform_range_stay_inside(interactions):
    # One user lacks a single item, the next has nothing at all.
    pairs = [(1, item) for item in (1, 2, 3, 5)]
    draw = retrieval.negative_sampler(interactions(pairs, 3, 6))
    ends = tf.constant([[0.0, np.nextafter(np.float32(1), np.float32(0))]] * 2)
    assert draw(tf.constant([1, 2]), ends).numpy().tolist() == [[4, 4], [1, 5]]


@pytest.fixture
def log(interactions):
    random = np.random.default_rng(3)
    rated = random.random([30, 40]) < 0.5
    rated[:2] = rated[:, 0] = False
    return interactions(np.argwhere(rated), 30, 40)


def epochs(log, count, batch_size=32, seed=0):
    batches, steps = retrieval.training_batches(log, batch_size, 3, seed)
    taken = [
        (b[f.USER_INDEX].numpy(), b[f.ITEM_INDEX].numpy())
        for b in itertools.islice(batches, count * steps)
    ]
    return [taken[i * steps : (i + 1) * steps] for i in range(count)]


def test_batches_hold_what_a_model_reads_and_no_label(log):
    batches, steps = retrieval.training_batches(log, 4, 3, seed=0)
    assert steps == len(log) // 4
    spec = batches.element_spec
    assert set(spec) == {f.USER_INDEX, f.ITEM_INDEX}
    assert spec[f.USER_INDEX] == tf.TensorSpec([4], tf.int32)
    assert spec[f.ITEM_INDEX] == tf.TensorSpec([4, 4], tf.int32)


def test_few_data_get_smaller_batches_and_so_enough_steps(log):
    batches, steps = retrieval.training_batches(log, 4096, 3, seed=0)
    assert batches.element_spec[f.USER_INDEX].shape == [len(log) // 100]
    assert steps >= 100


def test_an_epoch_has_each_positive_at_most_once_and_known_positives_only(log):
    known = set(zip(log.user_index.tolist(), log.item_index.tolist(), strict=True))
    for epoch in epochs(log, 2):
        users = np.concatenate([user for user, _ in epoch])
        items = np.concatenate([item for _, item in epoch])
        positives = list(zip(users.tolist(), items[:, 0].tolist(), strict=True))
        shown = [pair for pair in positives if pair[0] != f.UNKNOWN_INDEX]
        assert len(set(shown)) == len(shown)
        assert set(shown) <= known
        assert len(positives) >= len(log) - len(epoch[0][0])
        for user, candidates in zip(users.tolist(), items.tolist(), strict=True):
            assert all((user, item) not in known for item in candidates[1:])
            assert f.PADDING_INDEX not in candidates


def test_a_hundredth_of_the_users_are_hidden(log):
    users = np.concatenate([u for epoch in epochs(log, 20) for u, _ in epoch])
    share = (users == f.UNKNOWN_INDEX).mean()
    deviation = np.sqrt(0.01 * 0.99 / len(users))
    assert abs(share - 0.01) < 5 * deviation


def test_a_seed_repeats_its_batches_and_no_epoch_repeats_another(log):
    first, second = epochs(log, 2)
    for (user, item), (same_user, same_item) in zip(
        first, epochs(log, 1)[0], strict=True
    ):
        np.testing.assert_array_equal(user, same_user)
        np.testing.assert_array_equal(item, same_item)
    [other] = epochs(log, 1, seed=1)
    for one, another in ((first, second), (first, other)):
        one, another = (np.concatenate([i for _, i in e]) for e in (one, another))
        assert (one[:, 0] != another[:, 0]).mean() > 0.5
        assert (one[:, 1:] != another[:, 1:]).mean() > 0.5


def test_loss_is_the_cross_entropy_of_each_candidate(build):
    model = build("neumf", 4, 5)
    batch = {
        f.USER_INDEX: tf.constant([2, 3]),
        f.ITEM_INDEX: tf.constant([[2, 3, 4], [4, 2, 1]]),
    }
    task = retrieval.Retrieval(model, batch_size=2)
    task.compile(optimizer=tf.keras.optimizers.SGD(0.0))
    probability = 1 / (1 + np.exp(-model(batch).numpy().astype(np.float64)))
    label = np.array([[1, 0, 0], [1, 0, 0]])
    wrong = np.where(label == 1, 1 - probability, probability)
    loss = task.train_step(batch)["loss"]
    np.testing.assert_allclose(loss, -np.log(1 - wrong).mean(), rtol=1e-5)
