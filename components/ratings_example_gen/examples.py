"""Writes a bucket's users as serialized ``tf.train.Example`` messages.

The wire format (protobuf.dev/programming-guides/encoding) is put together from
slices of three buffers that are encoded once for the whole bucket, so that a
rating costs no step of Python; tf.train.Example needs about 100 times longer.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen.histories import Histories, Int64
from components.ratings_example_gen.splits import Ranges
from trainer_modules import features

# Tag bytes: (field number << 3) | 2, for length-delimited fields.
_FIELD_1, _FIELD_2 = b"\x0a", b"\x12"
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = b"\x0a", b"\x12", b"\x1a"

UserFeatures = Mapping[str, Sequence[tuple[str, Sequence[str]]]]
"""user id → (feature name with its prefix, values)."""


def encode_split(
    histories: Histories,
    ranges: Ranges,
    user_features: UserFeatures,
    *,
    with_history: bool,
) -> Iterator[bytes]:
    """Yields one serialized Example per user that has targets, sorted by user id."""
    columns = {
        features.ITEM_ID: _Column.of_strings(histories.item_id),
        features.RATING: _Column.of_floats(histories.rating),
    }
    if histories.timestamp is not None:
        columns[features.TIMESTAMP] = _Column.of_ints(histories.timestamp)
    users = histories.user_id.to_pylist()
    for user in np.flatnonzero(ranges.end > ranges.begin):
        user_id = users[user]
        entries = [_strings(features.USER_ID, [user_id])]
        entries += [_strings(*feature) for feature in user_features.get(user_id, ())]
        begin, end = int(ranges.begin[user]), int(ranges.end[user])
        entries += [column.entry(name, begin, end) for name, column in columns.items()]
        if with_history:
            begin, end = int(ranges.history_begin[user]), int(ranges.history_end[user])
            entries += [
                column.entry(features.HISTORY_PREFIX + name, begin, end)
                for name, column in columns.items()
            ]
        yield _field(_FIELD_1, b"".join(entries))


class _Column:
    """All values of one feature, encoded; any range of them is one slice."""

    def __init__(self, tag: bytes, data: bytes, offsets: Int64, *, packed: bool):
        self._tag = tag
        self._data = data
        self._offsets = offsets
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
        data, offsets = _varints(values)
        return cls(_INT64_LIST, data, offsets, packed=True)

    def entry(self, name: str, begin: int, end: int) -> bytes:
        values = self._data[self._offsets[begin] : self._offsets[end]]
        if self._packed and values:
            values = _field(_FIELD_1, values)
        return _entry(name, _field(self._tag, values))


def _varints(values: Int64) -> tuple[bytes, Int64]:
    """Returns all values as base-128 varints, and where each begins."""
    unsigned = values.astype(np.uint64)
    shifts = np.arange(10, dtype=np.uint64) * np.uint64(7)
    groups = unsigned[:, None] >> shifts
    length = np.maximum((groups != 0).sum(axis=1), 1)
    position = np.arange(10)
    encoded = (groups & np.uint64(0x7F)).astype(np.uint8)
    encoded |= np.where(position < length[:, None] - 1, 0x80, 0).astype(np.uint8)
    offsets = np.concatenate([[0], np.cumsum(length)])
    return encoded[position < length[:, None]].tobytes(), offsets


def _strings(name: str, values: Sequence[str]) -> bytes:
    data = b"".join(_field(_FIELD_1, value.encode()) for value in values)
    return _entry(name, _field(_BYTES_LIST, data))


def _entry(name: str, feature: bytes) -> bytes:
    key = _field(_FIELD_1, name.encode())
    return _field(_FIELD_1, key + _field(_FIELD_2, feature))


def _field(tag: bytes, data: bytes) -> bytes:
    length = len(data)
    if length < 0x80:
        return tag + bytes((length,)) + data
    size = bytearray()
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    size.append(length)
    return tag + bytes(size) + data
