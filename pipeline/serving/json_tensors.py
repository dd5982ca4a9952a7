"""Converts JSON to tensors, as TensorFlow Serving's REST API does.

https://www.tensorflow.org/tfx/serving/api_rest: ``instances`` and ``predictions`` are
rows, ``inputs`` and ``outputs`` columns; bytes are ``{"b64": ...}``; NaN and infinities
are written as in JavaScript, although JSON itself does not support them. The opposite
direction is in ``json_answers``.
"""

import base64
import binascii
import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from pipeline.recommend.request_time import now
from pipeline.recommend.user_history import OPTIONAL_INPUTS
from pipeline.serving.errors import RequestError
from pipeline.serving.settings import ServingSettings
from trainer_modules import features as f

Tensors = dict[str, np.ndarray]
Format = Literal["row", "columnar"]


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """An input of a signature.

    Attributes:
        dtype: Type of the values; ``object`` for strings, which are bytes.
        shape: Sizes of the dimensions; None for one of any size.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...]


def num_rows(inputs: Tensors) -> int:
    """Returns the number of rows of a request, without counting scalars."""
    return max((len(value) for value in inputs.values() if value.ndim), default=1)


def parse(body: bytes) -> dict[str, Any]:
    """Parses the JSON object of a request.

    Raises:
        RequestError: If the body is not an object, or contains a key twice (400).
        RecursionError: If it is nested too deeply.
    """
    try:
        content = json.loads(body, object_pairs_hook=_object)
    except ValueError as error:  # also for invalid UTF-8
        raise RequestError(400, f"JSON Parse error: {error}") from error
    if not isinstance(content, dict):
        raise RequestError(400, "JSON Value: is not object")
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns an object of JSON, in which each key may occur once."""
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} is given twice")
    return value


def inputs(
    content: Mapping[str, Any],
    specs: Mapping[str, TensorSpec],
    settings: ServingSettings,
) -> tuple[Tensors, Format]:
    """Returns the tensors of a request, and the format of the answer.

    Args:
        content: Object with either ``instances`` or ``inputs``.
        specs: Inputs of the signature.
        settings: Limits of rows and items.

    Raises:
        RequestError: If they do not match the signature (400), or are too large (413).
    """
    if ("instances" in content) == ("inputs" in content):
        raise RequestError(
            400,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist"
            if "inputs" in content
            else "Missing 'inputs' or 'instances' key",
        )
    if "inputs" in content:
        return _columns(content["inputs"], specs, settings), "columnar"
    return _rows(content["instances"], specs, settings), "row"


def _columns(
    columns: Any, specs: Mapping[str, TensorSpec], settings: ServingSettings
) -> Tensors:
    if not isinstance(columns, dict) or _is_base64(columns):
        columns = {_only(specs, "inputs is a plain value/list"): columns}
    for name in specs:
        if name not in columns and name not in OPTIONAL_INPUTS:
            raise RequestError(400, f"Missing named input: {name} in 'inputs' object.")
    tensors = {
        name: _tensor(name, columns[name], spec, settings)
        for name, spec in specs.items()
        if name in columns
    }
    rows = num_rows(tensors)
    for name in specs.keys() - tensors.keys():
        tensors[name] = np.zeros([rows, 0], specs[name].dtype)
        if name == f.REQUEST_TIMESTAMP:
            tensors[name] = np.full([rows], now(), np.int64)
    return tensors


def _rows(
    rows: Any, specs: Mapping[str, TensorSpec], settings: ServingSettings
) -> Tensors:
    if not isinstance(rows, list):
        raise RequestError(400, "Excepting 'instances' to be an list/array")
    if not rows:
        raise RequestError(400, "No values in 'instances' array")
    _check_size([len(rows)], settings)
    if not isinstance(rows[0], dict) or _is_base64(rows[0]):
        name = _only(specs, "instances is a plain list")
        rows = [{name: row} for row in rows]
    for place, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != specs.keys():
            raise RequestError(
                400,
                f"Failed to process element: {place} of 'instances' list. JSON object "
                f"keys must be equal to: {','.join(sorted(specs))}",
            )
    return {
        name: _tensor(name, [row[name] for row in rows], spec, settings)
        for name, spec in specs.items()
    }


def _only(specs: Mapping[str, TensorSpec], problem: str) -> str:
    """Returns the name of the only input."""
    if len(specs) > 1:
        raise RequestError(
            400,
            f"{problem}, but expecting objects with a key for each of the input "
            f"tensors: {','.join(sorted(specs))}",
        )
    return next(iter(specs))


def _tensor(
    name: str, nested: Any, spec: TensorSpec, settings: ServingSettings
) -> np.ndarray:
    shape = _shape(nested)
    _check_size(shape, settings)
    try:
        values = _array(nested, shape, spec.dtype)
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


def _shape(nested: Any) -> list[int]:
    """Returns the lengths of nested lists, taken from the first of each."""
    shape: list[int] = []
    while isinstance(nested, list):
        shape.append(len(nested))
        if not nested:
            break
        nested = nested[0]
    return shape


def _check_size(shape: list[int], settings: ServingSettings) -> None:
    """Refuses a tensor that is too large before it is built.

    Raises:
        RequestError: If it has too many rows or items (413).
    """
    if shape and shape[0] > settings.max_rows:
        raise RequestError(
            413,
            f"the request has {shape[0]} rows; at most {settings.max_rows} are "
            "answered at once",
        )
    check_items(math.prod(shape), settings)


def check_items(count: int, settings: ServingSettings) -> None:
    """Refuses a request with too many rows times items.

    Raises:
        RequestError: If there are more than ``max_items`` (413).
    """
    if count > settings.max_items:
        raise RequestError(
            413,
            "the request is too large: its rows times the items of its longest row "
            f"may be at most {settings.max_items}",
        )


def _array(nested: Any, shape: list[int], dtype: np.dtype) -> np.ndarray:
    """Returns nested lists of equal lengths as an array; strings become bytes."""
    flat: list[Any] = []
    _flatten(nested, shape, 0, flat)
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


def _flatten(nested: Any, shape: list[int], level: int, flat: list[Any]) -> None:
    if level == len(shape):
        if isinstance(nested, list):
            raise ValueError(f"encountered list at unexpected level: {level}")
        flat.append(nested)
        return
    if not isinstance(nested, list) or len(nested) != shape[level]:
        size = len(nested) if isinstance(nested, list) else "no list"
        raise ValueError(
            f"encountered list at unexpected size: {size} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for value in nested:
        _flatten(value, shape, level + 1, flat)


def _require(flat: list[Any], wanted: type | tuple[type, ...], name: str) -> None:
    for value in flat:
        is_bool = isinstance(value, bool) and wanted is not bool
        if is_bool or not isinstance(value, wanted):
            raise ValueError(f"{json.dumps(value)[:80]} is not {name}")


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
        raise ValueError(f"{json.dumps(value)[:80]} is not a string")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"unable to base64 decode: {error}") from error
