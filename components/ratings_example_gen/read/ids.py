"""Converts columns to ids and other strings, whatever type they are stored as."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ratings_example_gen import input_errors
from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.parts import Part
from components.ratings_example_gen.read.bad_rows import Faults


def to_ids(values: pa.Array, name: str, part: Part, faults: Faults) -> pa.Array:
    """Returns ids as strings [N]; null values and empty ids become faults.

    Args:
        values: [N] values of any type.
        name: Name of the column, for the faults.
        part: The part they are from.
        faults: Gets the rows without a valid id.

    Raises:
        ArrowInvalid: If the type is that of a list, or a decimal has a fraction.
    """
    if pa.types.is_list(values.type):
        raise pa.ArrowInvalid("an id must be one value, not a list")
    if pa.types.is_decimal(values.type):
        values.cast(pa.decimal256(76, 0))  # Fails if one has a fraction.
    values = to_strings(values, name, part, faults)
    least = _least_byte(values)
    if least == 0:
        has_nul = pc.match_substring(values, "\0").to_numpy(False)
        faults.add(has_nul, input_errors.CONTROL_CHARACTER, f"{name} has a NUL byte")
    if not part.dialect.keep_blanks and least <= ord(" "):
        values = pc.ascii_trim_whitespace(values)
    empty = pc.equal(pc.binary_length(values), 0).to_numpy(False)
    faults.add(empty, input_errors.EMPTY_ID, f"{name} is empty")
    if null := _null_values(values, part.dialect):
        is_null = pc.is_in(values, value_set=pa.array(null)).to_numpy(False)
        faults.add(
            is_null, input_errors.EMPTY_ID, f"{name} is a null value (data.null_values)"
        )
    return values


def _null_values(values: pa.Array, dialect: Dialect) -> list[str]:
    """Returns the null values that can occur among some ids.

    Looking up each id takes time, and most ids are digits: a text with a byte greater
    than all of theirs cannot occur.
    """
    greatest = _bytes_of(values).max(initial=0)
    return [text for text in dialect.nulls if text and max(text.encode()) <= greatest]


def _least_byte(values: pa.Array) -> int:
    return int(_bytes_of(values).min(initial=255))


def _bytes_of(values: pa.Array) -> npt.NDArray[np.uint8]:
    """Returns the concatenated bytes of a string array's values."""
    data = values.buffers()[2]
    if data is None or not len(values):
        return np.zeros(0, np.uint8)
    offsets = np.frombuffer(values.buffers()[1], np.int32)
    begin, end = offsets[values.offset], offsets[values.offset + len(values)]
    return np.frombuffer(data, np.uint8)[begin:end]


def to_strings(values: pa.Array, name: str, part: Part, faults: Faults) -> pa.Array:
    """Returns strings [N], ``""`` for null; a number has one form whatever its type."""
    if pa.types.is_floating(values.type):
        values = _float_texts(values)
    elif pa.types.is_decimal(values.type):
        values = _decimal_texts(values)
    if not pa.types.is_binary(values.type):
        values = values.cast(pa.string()).cast(pa.binary())
    return _decode(pc.fill_null(values, b""), name, faults)


def _float_texts(values: pa.Array) -> pa.Array:
    """Returns whole numbers formatted as integers, and NaN as null.

    Each value on its own: other values in a row group must not change an id.
    """
    numbers = values.to_numpy(False).astype(np.float64)
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
    small = whole & (np.abs(numbers) < 2.0**63)
    texts = pc.if_else(
        pa.array(small),
        pa.array(np.where(small, numbers, 0).astype(np.int64)).cast(pa.string()),
        values.cast(pa.string()),
    )
    if large := np.flatnonzero(whole & ~small).tolist():
        listed = texts.to_pylist()
        for row in large:
            listed[row] = str(int(numbers[row]))
        texts = pa.array(listed, pa.string())
    return pc.if_else(pa.array(np.isnan(numbers)), None, texts)


def _decimal_texts(values: pa.Array) -> pa.Array:
    """Returns decimals exactly, without trailing zeros."""
    try:
        return values.cast(pa.int64()).cast(pa.string())
    except pa.ArrowInvalid:  # a fraction, or more digits than that
        texts = [
            None if value is None else f"{value:f}" for value in values.to_pylist()
        ]
        return pa.array(
            [
                text.rstrip("0").rstrip(".") if text and "." in text else text
                for text in texts
            ],
            pa.string(),
        )


def _decode(values: pa.Array, name: str, faults: Faults) -> pa.Array:
    """Returns binary values as text; those that are not UTF-8 become faults."""
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        pass  # Some value is not UTF-8: check the distinct ones.
    encoded = pc.dictionary_encode(values)
    texts, valid = [], []
    for value in encoded.dictionary.to_pylist():
        try:
            texts.append(value.decode("utf-8"))
            valid.append(True)
        except UnicodeDecodeError:
            texts.append(value.decode("latin-1"))
            valid.append(False)
    codes = encoded.indices.to_numpy()
    faults.add(
        ~np.array(valid)[codes],
        input_errors.UNDECODABLE_BYTES,
        f"{name} has bytes that are not UTF-8 (set data.encoding, such as latin-1)",
    )
    return pa.array(texts).take(encoded.indices)
