"""Converts tensors to JSON, as TensorFlow Serving's REST API does."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.serving.errors import RequestError
from pipeline.serving.json_tensors import Format, Tensors

BYTES_SUFFIX = "_bytes"  # names of outputs that are not text


def answer(outputs: Tensors, form: Format) -> bytes:
    """Returns the JSON of a model's outputs.

    Rows are encoded one at a time. Python encodes a list in a single step, during which
    no other thread runs, so a large answer in one piece would delay every other client.

    Raises:
        RequestError: If rows were requested, and an output has none (400).
    """
    encoded = {
        name: _encoded(values, name.endswith(BYTES_SUFFIX))
        for name, values in outputs.items()
    }
    if form == "columnar":
        columns = {name: _list(rows) for name, rows in encoded.items()}
        [first, *others] = columns.values()
        return b'{"outputs": %s}' % (_object_of(columns) if others else first)
    if len({values.shape[:1] for values in outputs.values()}) != 1 or any(
        not values.ndim for values in outputs.values()
    ):
        raise RequestError(400, "outputs have inconsistent batch sizes; use 'inputs'")
    if len(encoded) == 1:
        [rows] = encoded.values()
        return b'{"predictions": %s}' % _list(rows)
    objects = [
        _object_of(dict(zip(encoded, row, strict=True)))
        for row in zip(*encoded.values(), strict=True)
    ]
    return b'{"predictions": %s}' % _list(objects)


def _encoded(values: np.ndarray, as_base64: bool) -> list[bytes] | bytes:
    """Returns the JSON of each row, or of the only value of a scalar."""
    if not values.ndim:
        return _dump(_values(values, as_base64))
    # With "...", the row of a vector is an array of the same type, not a Python value.
    rows = (values[place, ...] for place in range(len(values)))
    return [_dump(_values(row, as_base64)) for row in rows]


def _list(rows: list[bytes] | bytes) -> bytes:
    return rows if isinstance(rows, bytes) else b"[%s]" % b", ".join(rows)


def _object_of(values: Mapping[str, bytes]) -> bytes:
    pairs = (b"%s: %s" % (_dump(name), value) for name, value in values.items())
    return b"{%s}" % b", ".join(pairs)


def _values(values: np.ndarray, as_base64: bool) -> Any:
    """Returns nested lists; a float32 gets only the digits that it needs."""
    if values.dtype == np.float32:
        return values.astype("U").astype(np.float64).tolist()
    if values.dtype == object:
        text = np.empty(values.size, object)
        text[:] = [
            {"b64": base64.b64encode(value).decode()}
            if as_base64
            else value.decode("utf-8", "replace")
            for value in values.reshape(-1)
        ]
        return text.reshape(values.shape).tolist()
    return values.tolist()


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
