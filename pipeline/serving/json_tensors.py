"""JSON and tensors, as TensorFlow Serving's REST API has them.

https://www.tensorflow.org/tfx/serving/api_rest: ``instances`` and ``predictions`` row
by row, ``inputs`` and ``outputs`` column by column; bytes as ``{"b64": ...}``; NaN and
infinities as JavaScript writes them, which JSON itself has not.
"""

import base64
import binascii
import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from pipeline.serving.errors import RequestError
from pipeline.serving.settings import ServingSettings

Tensors = dict[str, np.ndarray]
Format = Literal["row", "columnar"]
BYTES_SUFFIX = "_bytes"  # of outputs that are no text


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """What a signature takes under a name.

    Attributes:
        dtype: ``object`` for strings, which are bytes.
        shape: None where a dimension may have any size.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...]


def num_rows(inputs: Tensors) -> int:
    """Rows of a request; a scalar has none."""
    return max((len(value) for value in inputs.values() if value.ndim), default=1)


def parse(body: bytes) -> dict[str, Any]:
    """Reads the JSON object of a request.

    Raises:
        RequestError: It is none, or has a key twice.
        RecursionError: It is nested too deeply.
    """
    try:
        told = json.loads(body, object_pairs_hook=_object)
    except ValueError as error:  # of UTF-8 as well
        raise RequestError(400, f"JSON Parse error: {error}") from error
    if not isinstance(told, dict):
        raise RequestError(400, "JSON Value: is not object")
    return told


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, which may have each key once."""
    told = dict(pairs)
    if len(told) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} is given twice")
    return told


def inputs(
    told: Mapping[str, Any],
    specs: Mapping[str, TensorSpec],
    settings: ServingSettings,
) -> tuple[Tensors, Format]:
    """The tensors of a request, and the format in which to answer.

    Args:
        told: With ``instances`` or ``inputs``.
        specs: What the signature takes.
        settings: How many rows and items a request may have.

    Raises:
        RequestError: They are not what it takes (400), or too many (413).
    """
    if ("instances" in told) == ("inputs" in told):
        raise RequestError(
            400,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist"
            if "inputs" in told
            else "Missing 'inputs' or 'instances' key",
        )
    if "inputs" in told:
        return _columns(told["inputs"], specs, settings), "columnar"
    return _rows(told["instances"], specs, settings), "row"


def _columns(
    told: Any, specs: Mapping[str, TensorSpec], settings: ServingSettings
) -> Tensors:
    if not isinstance(told, dict) or _is_base64(told):
        told = {_only(specs, "inputs is a plain value/list"): told}
    for name in specs:
        if name not in told:
            raise RequestError(400, f"Missing named input: {name} in 'inputs' object.")
    return {
        name: _tensor(name, told[name], spec, settings) for name, spec in specs.items()
    }


def _rows(
    told: Any, specs: Mapping[str, TensorSpec], settings: ServingSettings
) -> Tensors:
    if not isinstance(told, list):
        raise RequestError(400, "Excepting 'instances' to be an list/array")
    if not told:
        raise RequestError(400, "No values in 'instances' array")
    _check_size([len(told)], settings)
    if not isinstance(told[0], dict) or _is_base64(told[0]):
        name = _only(specs, "instances is a plain list")
        told = [{name: row} for row in told]
    for place, row in enumerate(told):
        if not isinstance(row, dict) or row.keys() != specs.keys():
            raise RequestError(
                400,
                f"Failed to process element: {place} of 'instances' list. JSON object "
                f"keys must be equal to: {','.join(sorted(specs))}",
            )
    return {
        name: _tensor(name, [row[name] for row in told], spec, settings)
        for name, spec in specs.items()
    }


def _only(specs: Mapping[str, TensorSpec], told: str) -> str:
    """The name of the only input."""
    if len(specs) > 1:
        raise RequestError(
            400,
            f"{told}, but expecting objects with a key for each of the input tensors: "
            f"{','.join(sorted(specs))}",
        )
    return next(iter(specs))


def _tensor(
    name: str, told: Any, spec: TensorSpec, settings: ServingSettings
) -> np.ndarray:
    shape = _shape(told)
    _check_size(shape, settings)
    try:
        values = _array(told, shape, spec.dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError(400, f"input {name}: {error}") from error
    if values.ndim != len(spec.shape) or any(
        wanted not in (None, found)
        for wanted, found in zip(spec.shape, values.shape, strict=True)
    ):
        shape = [wanted if wanted is not None else -1 for wanted in spec.shape]
        raise RequestError(
            400,
            f"input {name}: expected shape {shape}, got {list(values.shape)}"
            + ("; a scalar has no row format, use 'inputs'" if not spec.shape else ""),
        )
    return values


def _shape(told: Any) -> list[int]:
    """The lengths of nested lists, as the first of each says."""
    shape: list[int] = []
    while isinstance(told, list):
        shape.append(len(told))
        if not told:
            break
        told = told[0]
    return shape


def _check_size(shape: list[int], settings: ServingSettings) -> None:
    """Refuses what is too large before anything is made of it.

    Raises:
        RequestError: With 413.
    """
    if shape and shape[0] > settings.max_rows:
        raise RequestError(
            413,
            f"the request has {shape[0]} rows; at most {settings.max_rows} are "
            "answered at once",
        )
    check_items(math.prod(shape), settings)


def check_items(count: int, settings: ServingSettings) -> None:
    """Refuses a request of too many rows times items.

    Raises:
        RequestError: With 413.
    """
    if count > settings.max_items:
        raise RequestError(
            413,
            "the request is too large: its rows times the items of its longest row "
            f"may be at most {settings.max_items}",
        )


def _array(told: Any, shape: list[int], dtype: np.dtype) -> np.ndarray:
    """An array of nested lists of equal lengths; strings are objects of bytes."""
    flat: list[Any] = []
    _flatten(told, shape, 0, flat)
    if dtype == np.dtype(object):
        flat = [_bytes(value) for value in flat]
    elif dtype == np.dtype(bool):
        _require(flat, bool, "true or false")
    elif np.issubdtype(dtype, np.integer):
        _require(flat, int, f"an integer ({dtype})")
        limits = np.iinfo(dtype)
        for value in flat:
            if not limits.min <= value <= limits.max:
                raise ValueError(f"{value} is out of the range of {dtype}")
    else:
        _require(flat, (int, float), f"a number ({dtype})")
    values = np.empty(len(flat), dtype)
    values[:] = flat
    return values.reshape(shape)


def _flatten(told: Any, shape: list[int], level: int, flat: list[Any]) -> None:
    if level == len(shape):
        if isinstance(told, list):
            raise ValueError(f"encountered list at unexpected level: {level}")
        flat.append(told)
        return
    if not isinstance(told, list) or len(told) != shape[level]:
        size = len(told) if isinstance(told, list) else "no list"
        raise ValueError(
            f"encountered list at unexpected size: {size} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for value in told:
        _flatten(value, shape, level + 1, flat)


def _require(flat: list[Any], wanted: type | tuple[type, ...], told: str) -> None:
    for value in flat:
        is_bool = isinstance(value, bool) and wanted is not bool
        if is_bool or not isinstance(value, wanted):
            raise ValueError(f"{json.dumps(value)[:80]} is not {told}")


def _is_base64(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"b64"}
        and isinstance(value["b64"], str)
    )


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not _is_base64(value):
        raise ValueError(f"{json.dumps(value)[:80]} is no string")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"unable to base64 decode: {error}") from error


def answer(outputs: Tensors, form: Format) -> bytes:
    """Returns the JSON of what a model answered.

    Rows are encoded one at a time. Python encodes a list in a single step, during which
    no other thread runs, so a large answer in one piece would delay every other client.

    Raises:
        RequestError: Rows were requested, and an output has none.
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
    """Returns nested lists; a float32 has the digits that it needs, and no more."""
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


def _dump(told: Any) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode()
