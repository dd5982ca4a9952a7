"""The hashes by which the gate recognises a target that it has counted."""

import zlib

import numpy as np
import tensorflow_model_analysis as tfma

from components.ranking_metrics.extractors import (
    event_type_hashes,
    target_hashes,
)


def ragged(rows, kind):
    values = [value for row in rows for value in row]
    splits = np.cumsum([0, *map(len, rows)])
    return tfma.types.RaggedTensorValue(np.array(values, kind), [splits])


def hashes(users, items, times=None):
    return target_hashes(
        np.array(users, object),
        ragged(items, object),
        None if times is None else ragged(times, np.int64),
    )


def test_a_hash_is_of_the_user_the_item_and_the_time():
    users, items, times = [b"u1", b"u2"], [[b"a", b"b"], [b"a"]], [[5, 6], [5]]
    found = hashes(users, items, times)
    assert found.dtype == np.uint32
    assert found.shape == (2, 2)
    assert found[0, 0] == zlib.crc32(b"u1\0a\0" + b"5")
    assert found[1, 1] == 0  # padding
    assert len({*found[0], found[1, 0]}) == 3
    later = hashes(users, items, [[5, 7], [5]])
    np.testing.assert_array_equal(later == found, [[True, False], [True, True]])


def test_a_hash_does_not_depend_on_who_else_is_in_the_batch():
    together = hashes([b"u1", b"u2"], [[b"a"], [b"b", b"c"]], [[1], [2, 3]])
    alone = hashes([b"u2"], [[b"b", b"c"]], [[2, 3]])
    np.testing.assert_array_equal(together[1], alone[0])


def test_a_log_without_times_has_hashes_too():
    found = hashes([b"u1", b"u2"], [[b"a"], []])
    assert found[0, 0] == zlib.crc32(b"u1\0a\0")
    assert hashes([b"u1"], [[]]).shape == (1, 0)


def test_types_of_events_are_those_of_the_targets():
    targets = np.array([[7, 8], [9, 0]], np.uint32)
    found = event_type_hashes(targets, ragged([[b"view", b"buy"], [b"view"]], object))
    view, buy = zlib.crc32(b"view"), zlib.crc32(b"buy")
    assert found.tolist() == [[view, buy], [view, 0]]
    assert not event_type_hashes(targets, None).any()
    assert not event_type_hashes(targets, ragged([[], []], object)).any()
