"""What is kept of each user: bytes and back, and means where users count often."""

import io
import math
import pickle

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from components.ranking_metrics.users import AUC, Users

METRICS = ("ndcg@10", "mrr")
NAN = math.nan

values = st.one_of(st.just(NAN), st.floats(0, 1, width=32))
scores = st.sampled_from([-math.inf, -1.5, 0.0, 0.25, 0.5, 1.0, math.inf])
targets = st.lists(st.tuples(scores, st.integers(0, 1)), max_size=5)
people = st.lists(st.tuples(values, values, targets), max_size=8)


def users_of(rows):
    """Of (ndcg, mrr, [(score, label)]) rows."""
    flat = [(place, *target) for place, row in enumerate(rows) for target in row[2]]
    return Users(
        np.arange(len(rows), dtype=np.uint64) * 3,
        METRICS,
        np.array([row[:2] for row in rows], np.float32).reshape(len(rows), 2),
        np.array([place for place, _, _ in flat], np.int32),
        np.array([score for _, score, _ in flat], np.float32),
        np.array([label for _, _, label in flat], np.int8),
    )


def assert_equal(found, expected):
    assert found.metrics == expected.metrics
    for name in ("user", "values", "target_user", "score", "label"):
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_array_equal(one, other, err_msg=name)
        assert one.dtype == other.dtype


# Bytes


@given(people)
def test_what_was_encoded_is_decoded_bit_by_bit(rows):
    users = users_of(rows)
    assert_equal(Users.decoded(users.encoded()), users)


class Bomb:
    """Says so when it is unpickled."""

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
        with pytest.raises(ValueError, match="these bytes are no users"):
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
        with pytest.raises(ValueError, match="these bytes are no users"):
            Users.decoded(other)


# Users who count several times, or never


def repeated(rows, weights):
    """The same rows, each as often as it counts."""
    return [row for row, n in zip(rows, weights, strict=True) for _ in range(n)]


@st.composite
def resampled(draw):
    rows = draw(people)
    times = st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))
    return rows, draw(st.lists(times, min_size=1, max_size=3))


@given(resampled())
def test_a_weighted_mean_is_that_of_repeated_users(drawn):
    rows, weights = drawn
    for column, metric in enumerate(METRICS):
        found = users_of(rows).weighted(metric)(np.array(weights, np.float64))
        expected = []
        for times in weights:
            each = [row[column] for row in repeated(rows, times)]
            each = [value for value in each if not math.isnan(value)]
            expected.append(sum(each) / len(each) if each else NAN)
        assert found.shape == (len(weights),)
        np.testing.assert_allclose(found, expected, atol=1e-9, err_msg=metric)


@given(resampled())
def test_a_weighted_auc_is_that_of_repeated_users(reference, drawn):
    rows, weights = drawn
    found = users_of(rows).weighted(AUC)(np.array(weights, np.float64))
    expected = []
    for times in weights:
        flat = [target for row in repeated(rows, times) for target in row[2]]
        score, label = ([t[n] for t in flat] for n in (0, 1))
        expected.append(reference.auc(score, label))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_auc_by_hand():
    rows = [
        (NAN, NAN, [(0.9, 1), (0.1, 0)]),
        (NAN, NAN, [(0.5, 0)]),
        (NAN, NAN, [(0.5, 1), (0.7, 0)]),
    ]
    auc = users_of(rows).weighted(AUC)
    # 0.9 is before three; 0.5 before one, level with one, behind one.
    [everybody, without, twice] = auc(np.array([[1, 1, 1], [1, 0, 1], [1, 2, 1.0]]))
    assert everybody == pytest.approx((3 + 1.5) / 6)
    assert without == pytest.approx((2 + 1) / 4)
    assert twice == pytest.approx((4 + 2) / 8)


def test_one_score_that_is_no_number_makes_auc_none_of_everybody():
    rows = [(0.5, 0.5, [(0.9, 1), (0.1, 0)]), (0.5, 0.5, [(NAN, 1)])]
    users = users_of(rows)
    found = users.weighted(AUC)(np.ones([3, 2]))
    assert found.shape == (3,)
    assert np.isnan(found).all()
    np.testing.assert_array_equal(users.weighted("mrr")(np.ones([3, 2])), [0.5] * 3)


@pytest.mark.parametrize("metric", [*METRICS, AUC])
def test_nobody_is_nan(metric):
    found = users_of([]).weighted(metric)(np.ones([2, 0]))
    assert found.shape == (2,)
    assert np.isnan(found).all()


# Two models


def test_known_to_leaves_out_what_the_other_has_not():
    own = users_of([(0.1, 0.2, []), (0.3, NAN, []), (0.5, 0.6, [(1.0, 1)])])
    other = users_of([(0.9, NAN, []), (0.9, 0.9, []), (NAN, 0.9, [])])
    known = own.known_to(other)
    np.testing.assert_array_equal(
        known.values, np.array([[0.1, NAN], [0.3, NAN], [NAN, 0.6]], np.float32)
    )
    assert known.values.dtype == np.float32
    assert_equal(
        users_of([(0.1, 0.2, []), (0.3, NAN, []), (0.5, 0.6, [(1.0, 1)])]), own
    )
    assert_equal(own.known_to(own), own)
