"""Serializes a bucket's users as ``tf.train.Example`` messages.

The wire format (protobuf.dev/programming-guides/encoding) is assembled from slices of
three buffers that are encoded once for the whole bucket, without a Python statement per
rating; tf.train.Example takes about 100 times longer.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen.write.splits import Ranges
from components.ratings_example_gen.write.user_histories import Histories, Int64
from trainer_modules import features

# Tag bytes: (field number << 3) | 2, for length-delimited fields.
_FIELD_1, _FIELD_2 = b"\x0a", b"\x12"
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = b"\x0a", b"\x12", b"\x1a"

UserFeatures = Mapping[str, Sequence[tuple[str, Sequence[str] | Sequence[float]]]]
"""user id → (feature name with its prefix, values) of each feature; texts or floats."""


class Encoder:
    """Encodes the users of one bucket, for any number of splits."""

    def __init__(self, histories: Histories, user_features: UserFeatures):
        self._columns = {
            features.ITEM_ID: _Column.of_strings(histories.item_id),
            features.RATING: _Column.of_floats(histories.rating),
        }
        if histories.timestamp is not None:
            self._columns[features.TIMESTAMP] = _Column.of_ints(histories.timestamp)
        if histories.event_type is not None:
            self._columns[features.EVENT_TYPE] = _Column.of_strings(
                histories.event_type
            )
        self._users = [
            b"".join(
                [
                    _strings(features.USER_ID, [user_id]),
                    *(_values(*entry) for entry in user_features.get(user_id, ())),
                ]
            )
            for user_id in histories.user_id.to_pylist()
        ]

    def encode(self, ranges: Ranges, *, with_history: bool) -> Iterator[bytes]:
        """Yields a serialized Example per user with targets, sorted by user id.

        Args:
            ranges: The targets and histories of the split.
            with_history: Whether to write the histories.
        """
        columns = [(_key(name), column) for name, column in self._columns.items()]
        past = [
            (_key(features.HISTORY_PREFIX + name), column)
            for name, column in self._columns.items()
        ]
        targets = zip(ranges.begin.tolist(), ranges.end.tolist(), strict=True)
        histories = zip(
            ranges.history_begin.tolist(), ranges.history_end.tolist(), strict=True
        )
        for user, target, history in zip(self._users, targets, histories, strict=True):
            if target[0] == target[1]:
                continue
            entries = [user]
            entries += [column.entry(key, *target) for key, column in columns]
            # Left out, not empty: if all lists are empty, TFDV reports 0 as the least
            # value, which no schema allows.
            if with_history and history[0] < history[1]:
                entries += [column.entry(key, *history) for key, column in past]
            yield _field(_FIELD_1, b"".join(entries))


class _Column:
    """All values of one feature, encoded so that any range of them is one slice."""

    def __init__(self, tag: bytes, data: bytes, offsets: Int64, *, packed: bool):
        self._tag = tag
        self._data = data
        self._offsets = offsets.tolist()
        self._packed = packed

    @classmethod
    def of_strings(cls, values: pa.Array) -> "_Column":
        binary = values.cast(pa.binary())
        distinct = pc.dictionary_encode(binary)
        encoded = pa.array(
            [_field(_FIELD_1, value) for value in distinct.dictionary.to_pylist()],
            pa.large_binary(),
        ).take(distinct.indices)
        offsets = np.zeros(1, np.int64)
        data = b""
        if len(encoded):
            offsets = np.frombuffer(encoded.buffers()[1], np.int64)[: len(encoded) + 1]
            data = encoded.buffers()[2].to_pybytes()
        return cls(_BYTES_LIST, data, offsets, packed=False)

    @classmethod
    def of_floats(cls, values: npt.NDArray[np.float32]) -> "_Column":
        offsets = 4 * np.arange(len(values) + 1)
        return cls(_FLOAT_LIST, values.astype("<f4").tobytes(), offsets, packed=True)

    @classmethod
    def of_ints(cls, values: Int64) -> "_Column":
        return cls(_INT64_LIST, *_varints(values), packed=True)

    def entry(self, key: bytes, begin: int, end: int) -> bytes:
        """Returns the map entry of ``key`` (encoded) with the values [begin, end)."""
        values = self._data[self._offsets[begin] : self._offsets[end]]
        if self._packed and values:
            values = _FIELD_1 + _varint(len(values)) + values
        feature = self._tag + _varint(len(values)) + values
        entry = key + _FIELD_2 + _varint(len(feature)) + feature
        return _FIELD_1 + _varint(len(entry)) + entry


def _varints(values: Int64) -> tuple[bytes, Int64]:
    """Returns all values as base-128 varints, and the offset of each [N + 1]."""
    unsigned = values.astype(np.uint64)
    length = np.ones(len(values), np.int64)
    for position in range(1, 10):
        length += unsigned >> np.uint64(7 * position) != 0
    # Only as many bytes as the largest value needs: 5 for current times.
    positions = np.arange(length.max(initial=1))
    encoded = (unsigned[:, None] >> (7 * positions).astype(np.uint64)).astype(np.uint8)
    encoded &= 0x7F
    encoded |= (positions < length[:, None] - 1).astype(np.uint8) << np.uint8(7)
    offsets = np.concatenate([[0], np.cumsum(length)])
    return encoded[positions < length[:, None]].tobytes(), offsets


def _key(name: str) -> bytes:
    return _field(_FIELD_1, name.encode())


def _values(name: str, values: Sequence[str] | Sequence[float]) -> bytes:
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(values):
        return _floats(name, np.array(values, "<f4"))
    return _strings(name, texts)


def _floats(name: str, values: npt.NDArray[np.float32]) -> bytes:
    data = _field(_FIELD_1, values.tobytes())
    return _field(_FIELD_1, _key(name) + _field(_FIELD_2, _field(_FLOAT_LIST, data)))


def _strings(name: str, values: Sequence[str]) -> bytes:
    data = b"".join(_field(_FIELD_1, value.encode()) for value in values)
    feature = _field(_FIELD_2, _field(_BYTES_LIST, data))
    return _field(_FIELD_1, _key(name) + feature)


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + _varint(len(data)) + data


@functools.lru_cache(maxsize=1 << 16)
def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
