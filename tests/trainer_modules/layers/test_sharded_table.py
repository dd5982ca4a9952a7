"""A table in parts has the rows, and learns, as one that is whole."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build, configure, train
from trainer_modules import devices
from trainer_modules import features as f
from trainer_modules.export import number_of_weights
from trainer_modules.layers import sharded_table
from trainer_modules.layers.id_embeddings import IdEmbeddings
from trainer_modules.layers.sharded_table import ShardedTable, vector_table
from trainer_modules.layers.vector_table import VectorTable
from trainer_modules.registry import MODELS
from trainer_modules.sizes import Sizes
from trainer_modules.validation import validation

ROWS, DIM = 23, 4
SIZES = Sizes(num_users=ROWS, num_items=9, sharded_from=10)


def table(monkeypatch, place=0, count=1, **more):
    monkeypatch.setattr(devices, "place", lambda strategy: (place, count))
    tf.keras.utils.set_random_seed(5)
    return ShardedTable("user", SIZES, DIM, 0.5, **more)


@pytest.mark.parametrize("block", [4, 100])
def test_workers_hold_the_rows_of_one_table_between_them(monkeypatch, block):
    monkeypatch.setattr(sharded_table, "DRAWN_ROWS", block)
    whole = table(monkeypatch).shard.numpy()
    parts = [table(monkeypatch, place, 3).shard.numpy() for place in range(3)]
    assert [len(part) for part in parts] == [7, 8, 8]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_initial_rows_are_distinct_and_normal(monkeypatch):
    monkeypatch.setattr(sharded_table, "DRAWN_ROWS", 4)
    rows = table(monkeypatch).shard.numpy()
    assert len(np.unique(rows)) == rows.size
    assert 0.4 < rows.std() < 0.6


def test_last_numbers_may_start_at_zero(monkeypatch):
    rows = table(monkeypatch, num_zeros=1).shard.numpy()
    assert not rows[:, -1].any()
    assert rows[:, :-1].all()


def test_looks_up_indices_of_any_shape(monkeypatch):
    made = table(monkeypatch)
    index = np.array([[3, 0, 22], [3, 1, 7]])
    np.testing.assert_array_equal(made(index), made.shard.numpy()[index])


def test_learns_by_adam_without_momentum_for_each_row(monkeypatch):
    """A row that occurs twice has the sum; one without a gradient stays as it is."""
    made = table(monkeypatch)
    rows, history = made.shard.numpy().astype(np.float64), {3: [], 8: []}
    random = np.random.default_rng(0)
    for rate, index in (
        (0.1, [3, 8, 3, 0]),
        (0.05, [3, 0, 3, 0]),
        (0.02, [8, 3, 3, 0]),
    ):
        values = random.normal(size=[4, DIM]).astype(np.float32)
        values[np.array(index) == 0] = 0.0
        made.learn(tf.IndexedSlices(values, index), tf.constant(rate))
        for row in {*index} - {0}:
            gradient = values[np.array(index) == row].sum(0)
            squares = history[row]
            squares.append(np.mean(gradient**2))
            # The weighted mean of all squares so far, the newest with the weight 1.
            weights = 0.999 ** np.arange(len(squares))[::-1]
            rows[row] -= rate * gradient / np.sqrt(np.average(squares, weights=weights))
    np.testing.assert_allclose(made.shard, rows, rtol=1e-4, atol=1e-5)
    steps = np.zeros(ROWS)
    steps[[3, 8]] = 3, 2
    np.testing.assert_array_equal(made.moments[:, 1], steps)


def test_only_large_tables_are_sharded():
    kinds = {
        vocabulary: type(vector_table(vocabulary, SIZES, DIM, 0.1))
        for vocabulary in ("user", "item")
    }
    assert kinds == {"user": ShardedTable, "item": VectorTable}
    never = Sizes(ROWS, 9)
    assert isinstance(vector_table("user", never, DIM, 0.1), VectorTable)


@pytest.mark.parametrize("name", ["sasrec", "attrec"])
def test_a_model_that_reads_its_whole_table_is_refused(name):
    sizes = Sizes(num_users=ROWS, num_items=12, sharded_from=12)
    with pytest.raises(ValueError, match=r"train\.shard_tables_from \(12\)"):
        build(name, sizes)


def test_moments_do_not_count_as_weights(monkeypatch):
    monkeypatch.setattr(devices, "place", lambda strategy: (0, 1))
    whole = dataclasses.replace(SIZES, sharded_from=None)
    counts = []
    for sizes in (whole, SIZES):
        model = build("gmf", sizes, embedding_dim=DIM)
        model({f.USER_INDEX: tf.constant([3]), f.ITEM_INDEX: tf.constant([[4]])})
        counts.append(number_of_weights(model))
    assert counts[0] == counts[1] > (ROWS + 9) * DIM


def test_a_table_that_is_read_whole_after_all_is_an_error():
    ids = IdEmbeddings(SIZES, DIM)
    with pytest.raises(ValueError, match=r"train\.shard_tables_from"):
        _ = ids.user.embeddings


# As docs/operations.md lists them.
READ_WHOLE_TABLES = {"attrec", "gru4rec", "hstu", "light_gcn", "sasrec"}
FITTED = [name for name, spec in MODELS.items() if spec.is_fitted]


@pytest.mark.integration
@pytest.mark.parametrize("name", FITTED)
def test_every_model_learns_in_sharded_tables_or_refuses_them(name, planted, tmp_path):
    sizes = dataclasses.replace(planted.data.sizes, sharded_from=2)
    data = dataclasses.replace(planted.data, sizes=sizes)
    epochs = 15 if name in ("two_tower", "wide_deep") else 4  # they begin slowly
    settings = {"batch_size": 64, "learning_rate": 0.02}
    settings |= {"epochs": epochs, "patience": epochs}
    if name in READ_WHOLE_TABLES:
        with pytest.raises(ValueError, match=r"train\.shard_tables_from"):
            train(name, data, tmp_path, **settings)
        return
    untrained, trained = (
        build(name, sizes, **settings),
        train(name, data, tmp_path, **settings),
    )
    assert all(
        np.count_nonzero(table.moments)
        for table in sharded_table.sharded_tables(trained)
    )
    before, after = (
        validation(model, configure(name, settings), data)
        for model in (untrained, trained)
    )
    better = {"max": 1, "min": -1}[before.mode]
    assert better * (after.measure() - before.measure()) > 0.05
