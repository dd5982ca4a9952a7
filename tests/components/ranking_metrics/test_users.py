"""What is kept of each user: bytes and back, and means where users count often."""

import dataclasses
import io
import math
import pickle

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from components.ranking_metrics.users import AUC, Users
from tests.reference import ranking as reference

METRICS = ("ndcg@10", "mrr")
NAN = math.nan

values = st.one_of(st.just(NAN), st.floats(0, 1, width=32))
scores = st.sampled_from([-math.inf, -1.5, 0.0, 0.25, 0.5, 1.0, math.inf])
targets = st.lists(st.tuples(scores, st.integers(0, 1)), max_size=5)
people = st.lists(st.tuples(values, values, targets), max_size=8)


def users_of(rows):
    """Returns users from (ndcg, mrr, [(score, label)]) rows."""
    flat = [(place, *target) for place, row in enumerate(rows) for target in row[2]]
    return Users(
        np.arange(len(rows), dtype=np.uint64) * 3,
        METRICS,
        np.array([row[:2] for row in rows], np.float32).reshape(len(rows), 2),
        np.arange(len(rows), dtype=np.int32) + 9,
        np.array([place for place, _, _ in flat], np.int32),
        np.arange(len(flat), dtype=np.uint32) * 7,
        np.arange(len(flat), dtype=np.int32) + 1,
        np.array([score for _, score, _ in flat], np.float32),
        np.array([label for _, _, label in flat], np.int8),
        np.arange(len(flat), dtype=np.uint32) * 5,
        np.arange(len(flat)) % 2 == 0,
        (np.arange(len(flat)) % 4 - 1).astype(np.int8),
        (np.arange(len(flat)) % 3 - 1).astype(np.int8),
        np.arange(len(rows) * 10, dtype=np.int32).reshape(len(rows), 10) % 7,
    )


def assert_equal(found, expected):
    assert found.metrics == expected.metrics
    for name in vars(expected).keys() - {"metrics"}:
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_array_equal(one, other, err_msg=name)
        assert one.dtype == other.dtype


# Bytes


@given(people)
def test_what_was_encoded_is_decoded_bit_by_bit(rows):
    users = users_of(rows)
    assert_equal(Users.decoded(users.encoded()), users)
    older = dataclasses.replace(
        users, event_type=None, is_new=None, popularity=None, age=None, top_item=None
    )
    decoded = Users.decoded(older.encoded())
    assert decoded.event_type is None
    assert decoded.is_new is None
    assert decoded.popularity is None
    assert decoded.age is None
    assert decoded.top_item is None


class Bomb:
    """Records that it was unpickled."""

    exploded = False

    @classmethod
    def explode(cls):
        cls.exploded = True
        return cls()

    def __reduce__(self):
        return (Bomb.explode, ())


def in_archive(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, **arrays)
    return file.getvalue()


def test_a_pickle_is_never_opened():
    bomb = np.array([Bomb()], object)
    whole = Users.decoded(users_of([(1.0, 0.5, [])]).encoded())
    fields = {**vars(whole), "metrics": np.array(whole.metrics)}
    bare = io.BytesIO()
    np.save(bare, bomb, allow_pickle=True)
    for encoded in (
        pickle.dumps(Bomb()),
        pickle.dumps(whole),
        bare.getvalue(),
        in_archive(**fields | {"user": bomb}),
        in_archive(**fields | {"metrics": bomb}),
    ):
        with pytest.raises(ValueError, match="measurements by user cannot be decoded"):
            Users.decoded(encoded)
    assert not Bomb.exploded
    pickle.loads(pickle.dumps(Bomb()))
    assert Bomb.exploded  # so that it would have been seen


def test_something_else_is_no_users():
    encoded = users_of([(1.0, 0.5, [(0.5, 1)])]).encoded()
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    fields = {**vars(Users.decoded(encoded)), "metrics": np.array(METRICS)}
    without = {name: array for name, array in fields.items() if name != "score"}
    for other in (
        b"",
        b"garbage",
        b"PK\x03\x04",
        encoded[: len(encoded) // 2],
        array.getvalue(),
        in_archive(),
        in_archive(**without),
        in_archive(**fields, more=np.zeros(1)),
    ):
        with pytest.raises(ValueError, match="measurements by user cannot be decoded"):
            Users.decoded(other)


# One value per user


@given(people)
def test_the_values_of_a_ranking_metric_are_those_that_were_measured(rows):
    for column, metric in enumerate(METRICS):
        np.testing.assert_array_equal(
            users_of(rows).values_of(metric),
            np.array([row[column] for row in rows], np.float32),
        )


@given(people)
def test_the_mean_of_the_values_of_auc_is_the_auc(rows):
    found = users_of(rows).values_of(AUC)
    assert found.shape == (len(rows),)
    flat = [target for row in rows for target in row[2]]
    expected = reference.auc([t[0] for t in flat], [t[1] for t in flat])
    if math.isnan(expected):
        assert np.isnan(found).all()
    else:
        assert found.mean() == pytest.approx(expected, abs=1e-9)


def test_auc_by_hand():
    rows = [
        (NAN, NAN, [(0.9, 1), (0.1, 0)]),
        (NAN, NAN, [(0.5, 0)]),
        (NAN, NAN, [(0.5, 1), (0.7, 0)]),
    ]
    # 0.9 is before three; 0.5 before one, level with one, behind one.
    area = 4.5 / 6
    liked, other = {0.9: 1, 0.5: 0.5}, {0.1: 1, 0.5: 0.75, 0.7: 0.5}
    influence = [
        (liked[0.9] - area) / 2 + (other[0.1] - area) / 3,
        (other[0.5] - area) / 3,
        (liked[0.5] - area) / 2 + (other[0.7] - area) / 3,
    ]
    found = users_of(rows).values_of(AUC)
    np.testing.assert_allclose(found, [area + 3 * each for each in influence])


def test_the_variance_of_the_values_of_auc_is_that_of_the_jackknife():
    """Leaves one user out at a time, which needs no formula for the influence."""
    chance = np.random.default_rng(7)
    rows = []
    for _ in range(300):
        labels = chance.integers(0, 2, chance.integers(1, 4))
        rows.append((NAN, NAN, [(round(chance.normal(y), 1), y) for y in labels]))

    def auc(rows):
        flat = [target for row in rows for target in row[2]]
        return reference.auc([t[0] for t in flat], [t[1] for t in flat])

    without = np.array([auc(rows[:n] + rows[n + 1 :]) for n in range(300)])
    jackknife = 299 * without.var()
    values = users_of(rows).values_of(AUC)
    assert values.var(ddof=1) / 300 == pytest.approx(jackknife, rel=0.03)


def test_a_score_that_is_nan_leaves_no_auc():
    rows = [(0.5, 0.5, [(0.9, 1), (0.1, 0)]), (0.5, 0.5, [(NAN, 1)])]
    users = users_of(rows)
    assert np.isnan(users.values_of(AUC)).all()
    np.testing.assert_array_equal(users.values_of("mrr"), [0.5] * 2)


@pytest.mark.parametrize(
    ("labels", "expected"), [([1, 1], True), ([0], True), ([], False), ([1, 0], False)]
)
def test_whether_all_targets_have_one_label(labels, expected):
    users = users_of([(0.5, 0.5, [(0.5, label) for label in labels])])
    assert users.has_one_label() is expected
    assert np.isnan(users.values_of(AUC)).all() == (len(labels) < 2 or expected)


@pytest.mark.parametrize("metric", [*METRICS, AUC])
def test_nobody_has_no_values(metric):
    assert users_of([]).values_of(metric).shape == (0,)
