"""HSTU: sections 3 and 4.1 of Zhai et al. 2024, by loops."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build, configure, randomise
from tests.support.short_histories import HISTORY, ITEMS, LENGTH, SIZES
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.interactions import Ratings
from trainer_modules.layers.time_buckets import time_buckets, weights_of
from trainer_modules.left_out import AT_ONCE
from trainer_modules.optimizers import compiled
from trainer_modules.sizes import Sizes
from trainer_modules.tasks import sequence

DIM, HEADS, TEMPERATURE = 4, 2, 0.1
ITEMS, HISTORY = ITEMS[:3], HISTORY[:3]  # the equations start at a first item
START, YEAR = 978_300_000, 31_536_000
# Equal times, minutes and a year apart; years apart and in no order; one.
TIME = [
    [START - YEAR, START, START, START + 90, START + YEAR],
    [START, START + 7 * YEAR, START - 3600, 0, 0],
    [START, 0, 0, 0, 0],
]


def features(history=HISTORY, time=TIME):
    return {
        f.ITEM_INDEX: tf.constant(ITEMS),
        f.HISTORY_ITEM_INDEX: tf.constant(history, tf.int64),
        f.HISTORY_TIMESTAMP: tf.constant(time, tf.int64),
    }


@pytest.fixture(params=[True, False], ids=["times", "no times"])
def model(request):
    made = build(
        "hstu",
        SIZES,
        embedding_dim=DIM,
        max_history_length=LENGTH,
        blocks=2,
        heads=HEADS,
        temperature=TEMPERATURE,
        time_bias=request.param,
    )
    return randomise(made, features(), 0.5)


def normalised(value):
    return (value - value.mean()) / math.sqrt(value.var() + 1e-6)


def unit(value):
    return value / math.sqrt(value @ value)


def silu(value):
    return value / (1 + np.exp(-value))


def bucket(seconds):
    """The bucket of ``RelativeBucketedTimeAndPositionBasedBias``, one weight each."""
    return min(int(math.log(max(1, abs(seconds))) / 0.301), 127)


def attended(query, key, content, place, bias):
    """The mean over the positions up to one, each weighted by a SiLU."""
    heads = []
    for head in range(HEADS):
        part = slice(head * DIM // HEADS, (head + 1) * DIM // HEADS)
        total = 0
        for j in range(place + 1):
            affinity = query[place][part] @ key[j][part] + bias[place][j]
            total = total + silu(affinity) * content[j][part]
        heads.append(total / (place + 1))
    return np.concatenate(heads)


def biases(block, times):
    """The bias of each position for each other one, [L, L]."""
    by_distance = block.distance_bias.numpy()
    by_time = np.zeros(128) if block.time_bias is None else block.time_bias.numpy()
    return [
        [
            by_distance[max(i - j, 0)] + by_time[bucket(t - s)]
            for j, s in enumerate(times)
        ]
        for i, t in enumerate(times)
    ]


def states(model, items, times):
    table = model.item.embeddings.numpy().astype(np.float64)
    first = LENGTH - len(items)
    values = [
        table[item] * math.sqrt(DIM) + model.position.numpy()[first + place]
        for place, item in enumerate(items)
    ]
    for block in model.blocks:
        [kernel], bias = block.projections.get_weights(), biases(block, times)
        outer, shift = block.output_projection.get_weights()
        joined = [silu(normalised(value) @ kernel) for value in values]
        gate, content, query, key = (
            [row[part * DIM : (part + 1) * DIM] for row in joined] for part in range(4)
        )
        for place in range(len(values)):
            seen = normalised(attended(query, key, content, place, bias))
            values[place] = values[place] + (seen * gate[place]) @ outer + shift
    return [unit(value) / TEMPERATURE for value in values]


def test_score_is_the_cosine_of_the_last_state_and_the_item(model):
    table = model.item.embeddings.numpy()
    last = []
    for items, times in zip(HISTORY, TIME, strict=True):
        seen = slice(max(0, np.count_nonzero(items) - LENGTH), np.count_nonzero(items))
        last.append(states(model, items[seen], times[seen])[-1])
    expected = [
        [state @ unit(table[item]) for item in items]
        for state, items in zip(last, ITEMS, strict=True)
    ]
    np.testing.assert_allclose(model(features()), expected, rtol=1e-4, atol=1e-5)


def test_each_state_is_that_of_the_items_up_to_it(model):
    times = [START, START + 90, START + YEAR]
    found = model.states(features([[9, 2, 3]], [times])).numpy()[0]
    expected = states(model, [9, 2, 3], times)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", [True], indirect=True)
def test_only_differences_of_times_count(model):
    score = model(features())
    later = np.array(TIME) + 5 * YEAR
    np.testing.assert_array_equal(model(features(time=later)), score)
    same = model(features(time=np.zeros_like(later)))
    assert np.abs(same[0] - score[0]).max() > 1e-3


@pytest.mark.parametrize("model", [False], indirect=True)
def test_without_the_bias_times_are_not_read(model):
    without = {k: v for k, v in features().items() if k != f.HISTORY_TIMESTAMP}
    np.testing.assert_array_equal(model(without), model(features()))


def gradient_of(table, buckets, upstream, dtype):
    """The sum of the upstream gradients of each bucket, by a loop."""
    weight = tf.Variable(table)
    with tf.GradientTape() as tape:
        found = weights_of(weight, tf.constant(buckets), dtype)
        loss = tf.reduce_sum(found * tf.cast(upstream, dtype))
    return found.numpy(), tape.gradient(loss, weight)


@pytest.mark.parametrize(("dtype", "rtol"), [(tf.float32, 1e-5), (tf.float16, 1e-3)])
def test_the_gradient_of_a_bucket_is_the_sum_of_those_of_its_pairs(dtype, rtol):
    random = np.random.default_rng(0)
    table = random.normal(size=128).astype(np.float32)
    buckets = random.integers(0, 80, [2, 5, 5]).astype(np.int32)
    upstream = random.integers(-8, 8, [2, 5, 5]).astype(np.float32)
    expected = np.zeros(128, np.float32)
    for number, value in zip(buckets.ravel(), upstream.ravel(), strict=True):
        expected[number] += value
    found, gradient = gradient_of(table, buckets, upstream, dtype)
    np.testing.assert_allclose(found, table[buckets], rtol=rtol)
    np.testing.assert_array_equal(gradient, expected)
    assert gradient.dtype == tf.float32


def test_a_gradient_of_many_pairs_does_not_overflow_half_precision():
    buckets, upstream = np.zeros([1, 300, 300], np.int32), np.ones([1, 300, 300])
    _, gradient = gradient_of(np.zeros(128, np.float32), buckets, upstream, tf.float16)
    assert gradient[0] == 300 * 300  # float16 ends at 65504


def test_time_buckets_are_those_of_the_formula():
    seconds = [0, 1, 2, 3, 60, 3600, 86_400, YEAR, 40 * YEAR]
    found = time_buckets(tf.constant([seconds], tf.int64)).numpy()[0]
    assert found.tolist() == [[bucket(a - b) for b in seconds] for a in seconds]
    assert (bucket(60), bucket(YEAR)) == (13, 57)
    assert time_buckets(tf.constant([[0, 2**62]], tf.int64)).numpy().max() == 127


SHORT, LONG = 3600, YEAR
FILLERS, SOON, LATE = range(4, 12), 2, 3  # items


def in_time(num_users, seed):
    """Logs in which only times reveal what follows: indices and times, [N, 9] both.

    Every other item is a filler. Item 2 follows if the filler came an hour after the
    item before it, and item 3 if it came a year after that.
    """
    random = np.random.default_rng(seed)
    is_late = random.integers(0, 2, [num_users, 4])
    items = np.full([num_users, 9], SOON)
    items[:, 1::2] = random.choice(FILLERS, [num_users, 4])
    items[:, 2::2] = np.where(is_late, LATE, SOON)
    gaps = np.full([num_users, 9], SHORT)
    gaps[:, 1::2] = np.where(is_late, LONG, SHORT)
    return items.astype(np.int32), START + np.cumsum(gaps, 1)


@pytest.mark.parametrize("time_bias", [True, False])
def test_a_pattern_that_only_times_reveal_is_learned_by_the_bias(time_bias):
    items, times = in_time(200, seed=0)
    config = configure(
        "hstu",
        {
            "time_bias": time_bias,
            "max_history_length": 8,
            "embedding_dim": 16,
            "dropout_rate": 0.0,
        },
    )
    ratings = Ratings(
        np.repeat(np.arange(2, 202, dtype=np.int32), 9),
        items.ravel(),
        np.ones(items.size, np.int32),
        np.ones(items.size, np.float32),
        times.ravel() if config.reads_times else None,
    )
    # Each user has both items: they are compared if they can be recommended again.
    sizes = Sizes(num_users=202, num_items=12)
    data = Data([], [], {}, sizes, 0, again_after=AT_ONCE)
    model = build("hstu", data.sizes, **vars(config))
    training_set = sequence.training_set(data, ratings, config, seed=0)
    trainee = compiled(model, config, data.sizes, training_set)
    steps = training_set.steps
    trainee.fit(training_set.batches, steps_per_epoch=steps, epochs=5, verbose=0)
    items, times = in_time(200, seed=1)  # other users
    score = model(
        {
            f.ITEM_INDEX: tf.constant([[SOON, LATE]]),
            f.HISTORY_ITEM_INDEX: tf.constant(items[:, :8], tf.int64),
            f.HISTORY_TIMESTAMP: tf.constant(times[:, :8]),
        }
    ).numpy()
    right = np.mean((score[:, 1] > score[:, 0]) == (items[:, 8] == LATE))
    assert right > 0.95 if time_bias else 0.3 < right < 0.7
