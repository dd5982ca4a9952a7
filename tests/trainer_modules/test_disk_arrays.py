"""Arrays in files against NumPy's own in memory, over several blocks."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules import disk_arrays
from trainer_modules.interactions import Interactions, Ratings


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(disk_arrays, "BLOCK_ROWS", 7)


@pytest.fixture
def pairs():
    """User 3 has more pairs than a block; 1 and 6 have none."""
    random = np.random.default_rng(0)
    user = random.permutation(np.repeat([2, 3, 4, 5], [5, 30, 1, 14]))
    return user.astype(np.int32), random.integers(1, 9, 50).astype(np.int32)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 50])
def test_parts_make_up_the_array(length):
    expected = np.arange(length, dtype=np.int32)
    found = disk_arrays.computed(lambda rows: expected[rows], length, np.int64)
    assert found.dtype == np.int64
    assert found.tolist() == expected.tolist()
    assert found.flags.writeable


def test_a_stable_order(pairs):
    user, _ = pairs
    found = disk_arrays.sorted_places(user)
    np.testing.assert_array_equal(found, np.argsort(user, kind="stable"))


def test_a_tensor_shares_the_file_and_copies_what_is_not_aligned():
    array = disk_arrays.stored([np.arange(50)], np.int64)
    shared = disk_arrays.tensor(array)
    copied = disk_arrays.tensor(array[1:])
    array[1] = 77
    assert (shared[1].numpy(), copied[0].numpy()) == (77, 1)
    del array
    batches = disk_arrays.reading(
        tf.data.Dataset.range(3).map(lambda row: tf.gather(shared, row))
    )
    assert list(batches.as_numpy_iterator()) == [0, 77, 2]


@pytest.mark.parametrize("is_weighted", [False, True])
def test_interactions_are_the_distinct_pairs(pairs, is_weighted):
    user, item = pairs
    weight = np.arange(1, 51, dtype=np.float32) if is_weighted else None
    found = Interactions.from_pairs(user, item, 7, 9, weight)
    expected: dict[tuple[int, int], float] = {}
    for place, pair in enumerate(zip(user.tolist(), item.tolist(), strict=True)):
        expected[pair] = expected.get(pair, 0) + place + 1
    columns = zip(found.user_index.tolist(), found.item_index.tolist(), strict=True)
    assert list(columns) == sorted(expected)
    if is_weighted:
        assert found.weight.tolist() == [expected[pair] for pair in sorted(expected)]
    splits = [sum(u < row for u, _ in expected) for row in range(8)]
    assert found.row_splits().tolist() == splits


@pytest.mark.parametrize("power", [1, 2])
def test_totals_of_items_over_all_blocks(pairs, power):
    user, item = pairs
    weight = np.arange(1, 51, dtype=np.float32)
    for weights in (None, weight):
        found = Interactions(user, item, 7, 9, weights).item_totals(power)
        powers = [1] * 50 if weights is None else (weight**power).tolist()
        expected = [0.0] * 9
        for number, value in zip(item.tolist(), powers, strict=True):
            expected[number] += value
        assert found.tolist() == expected


def test_ratings_are_chosen_and_joined_over_blocks(pairs):
    user, item = pairs
    user = np.sort(user)
    ratings = Ratings(user, item, item % 2, item.astype(np.float32))
    rows = list(zip(user.tolist(), item.tolist(), strict=True))
    assert ratings.liked().tolist() == [n for n, (_, i) in enumerate(rows) if i % 2]
    assert ratings.firsts().tolist() == [
        n for n, (u, _) in enumerate(rows) if u not in user[:n]
    ]
    liked = ratings.where(ratings.label == 1)
    both = liked.joined(ratings)
    found = zip(both.user_index.tolist(), both.item_index.tolist(), strict=True)
    assert list(found) == [
        row
        for user in (2, 3, 4, 5)
        for row in [
            *(row for row in rows if row[0] == user and row[1] % 2),
            *(row for row in rows if row[0] == user),
        ]
    ]


@pytest.mark.parametrize("mapped_bytes", [1, 1 << 26])
def test_arrays_are_joined_in_a_file_or_in_memory(monkeypatch, mapped_bytes):
    monkeypatch.setattr(disk_arrays, "MAPPED_BYTES", mapped_bytes)
    one, other = np.arange(6.0).reshape(2, 3), np.arange(3.0).reshape(1, 3)
    found = disk_arrays.joined([one, other])
    np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5], [0, 1, 2]])
    owner = found.base if found.base is None else found.base.base
    assert isinstance(owner, np.memmap) == (mapped_bytes == 1)
    np.testing.assert_array_equal(disk_arrays.joined([one]), one)


def test_a_variable_is_copied_block_by_block(monkeypatch):
    monkeypatch.setattr(disk_arrays, "MAPPED_BYTES", 1)
    values = np.random.default_rng(0).normal(size=[20, 3]).astype(np.float32)
    variable = tf.Variable(values)
    copy = disk_arrays.copied(variable)
    variable.scatter_sub(tf.IndexedSlices(tf.ones([1, 3]), [4]))
    np.testing.assert_array_equal(copy, values)
    assert disk_arrays.copied(tf.Variable(3.0)) == 3
